"""Run the library notebooks, two at a time, and compare what their cells show with what is kept in them.

    python docs/notebooks.py              run all; where the moment is the fixed one, compare
    python docs/notebooks.py --keep       run all and keep what they show
    python docs/notebooks.py NAME…        those whose path holds a name: 05_store, 03_live

A cell tagged `volatile` shows what no two runs share (a duration, an address): it keeps nothing. With AQW_NOW set,
notebooks run at that moment and nothing is compared.
"""
import difflib
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from math import isclose
from pathlib import Path
from tempfile import gettempdir
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
MOMENT = "2026-11-01T09:30:00Z"
SILENT = re.compile(r"^#\|\s*(export|hide|default_exp)", re.M)
PICTURE_KB, TABLE_KB = 50, 20
VARIES = [(re.escape(str(ROOT)), "."), (re.escape(gettempdir()) + r"/[\w.]+", "/tmp/home"), (r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT"),
          (r" at 0x[0-9a-f]+", ""), (r"[\d,]+ (days|years) (ahead of|behind) this machine", r"N days \2 this machine"), (r"[ \t]+$", "")]


def plain(text):
    "Text without what differs from machine to machine."
    for pattern, instead in VARIES: text = re.sub(pattern, instead, text, flags=re.M)
    return text


def kept_output(output):
    "An output as a notebook keeps it: text, tables, small pictures; None where nothing of it is kept."
    text = lambda value: plain(value if isinstance(value, str) else "".join(value))
    if output["output_type"] == "stream":
        return {"name": output["name"], "output_type": "stream", "text": text(output["text"]).splitlines(keepends=True)} if output["name"] == "stdout" else None
    if output["output_type"] == "error": return None
    data = {kind: text(value).splitlines(keepends=True) for kind, value in output["data"].items() if kind in ("text/plain", "text/html", "text/markdown")}
    if len("".join(data.get("text/html", []))) > TABLE_KB * 1000: del data["text/html"]
    picture = output["data"].get("image/png")
    if picture and len(picture) * 3 / 4 <= PICTURE_KB * 1000: data["image/png"] = picture if isinstance(picture, str) else "".join(picture)
    kept = {"data": data, "metadata": {}, "output_type": output["output_type"]}
    return ({**kept, "execution_count": None} if output["output_type"] == "execute_result" else kept) if data else None


def shown(cell):
    "What a cell shows, as it is kept."
    if SILENT.search("".join(cell["source"])) or "volatile" in cell["metadata"].get("tags", []): return []
    return [kept for output in cell["outputs"] if (kept := kept_output(output))]


def words(outputs):
    "The texts of kept outputs, for comparison."
    return ["".join(o["text"] if o["output_type"] == "stream" else o["data"].get("text/plain", "")) for o in outputs]


def same(kept, new):
    "Whether two lists of texts say the same: numbers with a point may differ by a thousandth, as from one processor to another."
    apart = lambda texts: re.split(r"(?<![\w.])(-?\d+\.\d+(?:e[-+]?\d+)?)(?![\w.])", "\f".join(texts))
    a, b = apart(kept), apart(new)
    if a[::2] != b[::2]: return re.sub(r"[ ─═]+", " ", "\f".join(kept)) == re.sub(r"[ ─═]+", " ", "\f".join(new))
    return all(isclose(float(x), float(y), rel_tol=1e-3, abs_tol=1e-9) for x, y in zip(a[1::2], b[1::2]))


def run(path):
    "Run a notebook in this process: seconds, the traceback or None, the outputs of each code cell."
    from execnb.nbio import read_nb
    from execnb.shell import CaptureShell
    sys.path.insert(0, str(ROOT))
    notebook, shell, begun, here, environment = read_nb(path), CaptureShell(path), perf_counter(), os.getcwd(), dict(os.environ)
    for cell in notebook.cells: cell["outputs"] = []
    os.chdir(path.parent)
    try: shell.run_all(notebook, exc_stop=True, preproc=lambda cell: cell.cell_type != "code")
    except Exception: return perf_counter() - begun, shell.prettytb(fname=path), []
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(environment)
    whole = json.loads(path.read_text(encoding="utf-8"))
    outputs = {cell["id"]: json.loads(json.dumps(cell.get("outputs") or [])) for cell in notebook.cells if cell.cell_type == "code"}
    return perf_counter() - begun, None, [shown({**c, "outputs": outputs[c["id"]]}) for c in whole["cells"] if c["cell_type"] == "code"]


def keep(path, outputs):
    "Write what the cells show into the notebook."
    whole = json.loads(path.read_text(encoding="utf-8"))
    for cell, new in zip([c for c in whole["cells"] if c["cell_type"] == "code"], outputs):
        if not same(words(cell["outputs"]), words(new)) or not new: cell["outputs"] = new
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def differences(path, outputs):
    "Where a notebook keeps something else than its cells show."
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    for cell, new in zip(cells, outputs):
        if same(words(cell["outputs"]), words(new)): continue
        lines = difflib.unified_diff("\n".join(words(cell["outputs"])).splitlines(), "\n".join(words(new)).splitlines(), "kept", "shown", lineterm="", n=1)
        yield f"{path.parent.name}/{path.name}: a cell shows something else than it keeps (make export keeps it; tag it `volatile` where no two runs agree)\n" \
              f"    {''.join(cell['source'][:1]).strip()}\n" + "\n".join(f"    {line}" for line in list(lines)[:12])


def main():
    from notebooks import run   # under its own name: a notebook's shell takes the place of `__main__` in its process
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    paths = [p for p in [*sorted((ROOT / "nbs").glob("[0-9]*/[0-9]*.ipynb"), reverse=True), ROOT / "nbs/index.ipynb"] if not names or any(n in str(p.relative_to(ROOT)) for n in names)]
    os.environ["COLUMNS"] = "80"
    fixed = os.environ.setdefault("AQW_NOW", MOMENT) == MOMENT
    failed, times = [], {}
    with ProcessPoolExecutor(2) as pool:   # the last wings take longest, so they begin
        for path, (seconds, trace, outputs) in zip(paths, pool.map(run, paths)):
            times[path] = seconds
            if trace: failed.append(trace)
            elif "--keep" in sys.argv: keep(path, outputs)
            elif fixed: failed += differences(path, outputs)
    for path, seconds in sorted(times.items(), key=lambda item: -item[1])[:12]: print(f"{seconds:5.0f} s  {path.relative_to(ROOT / 'nbs')}")
    print("\n".join(failed) or f"{len(paths)} notebooks run" + (", and show what they keep" if fixed else ""))
    sys.exit(bool(failed))


if __name__ == "__main__": main()
