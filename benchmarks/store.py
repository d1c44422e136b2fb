"""The feature store beside Feast, pandas, polars and bare Delta, on the same data in one run: ratios and peak memory.

    python benchmarks/store.py [--size full|small] [--times N] [--dir FOLDER] [--envs FOLDER] [--json]
The data comes from a seed. Every figure is taken in a process of its own, one after the other, the best of N; its peak memory counts the pages of a mapped file too.
Feast lives in an environment that is built here from peers/feast.txt.
`full` has two groups of 5.5 million rows and a table of 50 million; it wants 8 GB of disk and 12 GB of memory. The targets are meant for it."""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

from platformdirs import user_cache_path

HERE = Path(__file__).parent
PEERS = HERE/"peers"
SIZES = {"full": dict(data=(52_560, 100_000, 1_000_000, 365), months=72, calls=200), "small": dict(data=(2_136, 10_000, 100_000, 40), months=3, calls=50)}
CITY_MONTH = ("City 07", "2019-02-01T00:00Z", "2019-03-01T00:00Z")


def environment(folder, name):
    "The Python of a peer's own environment; built from its pins unless it stands already."
    pins, home = PEERS/f"{name}.txt", folder/name
    python, built = home/("Scripts/python.exe" if os.name == "nt" else "bin/python"), home/"pins.txt"
    if not built.exists() or built.read_text() != pins.read_text():
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", pins], check=True)
        shutil.copy(pins, built)
    return python


def run(script, *args, python=None):
    "What a worker found; a peer's own Python doesn't see ours."
    command = [python, "-E"] if python else [sys.executable]
    done = subprocess.run([*map(str, command), str(HERE/script), *map(str, args)], stdout=subprocess.PIPE, text=True, check=True)
    print(".", end="", file=sys.stderr, flush=True)
    return json.loads(done.stdout.splitlines()[-1])


def best_in_turn(times, **workers):
    "The fastest run of each worker; they take turns."
    runs = {name: [] for name in workers}
    for _ in range(times):
        for name, worker in workers.items(): runs[name].append(worker())
    return {name: min(found, key=lambda r: r["seconds"]) for name, found in runs.items()}


def joins(data, feast, times):
    "Each engine's point-in-time joins."
    few, many = data/"few.parquet", data/"many.parquet"
    return best_in_turn(times,
        ours_few=lambda: run("store_ours.py", "pit", data, few),
        feast=lambda: run("peers/feast_pit.py", data, few, "default", python=feast),
        feast_created=lambda: run("peers/feast_pit.py", data, few, "created", python=feast),
        ours_many=lambda: run("store_ours.py", "pit", data, many),
        pandas=lambda: run("peers/pandas_pit.py", data, many, "index"),
        pandas_by_time=lambda: run("peers/pandas_pit.py", data, many, "by_time"),
        polars=lambda: run("peers/polars_pit.py", data, many))


def percentiles(calls):
    "Median and 99th percentile."
    return median(calls), quantiles(calls, n=100)[98]


def ends(calls):
    "Medians of the first ten calls and of the last ten."
    return median(calls[:10]), median(calls[-10:])


def row(claim, ours, peer, beside, ratio, target=None, *, memory, note=""):
    "A line of the table: seconds of ours and of the peer `beside` it; `target` is `>=` or `<=` and a number, `memory` what the two runs said."
    met = None if target is None else (ratio >= target[1] if target[0] == ">=" else ratio <= target[1])
    return dict(claim=claim, ours=ours, peer=peer, beside=beside, ratio=ratio, target=target and " ".join(map(str, target)), met=met, ours_mb=memory[0]["peak_mb"], peer_mb=memory[1]["peak_mb"], note=note)


def join_rows(found, checked):
    "The table's lines for the joins."
    lines = [("ours_few", "feast", "feast", (">=", 10)), ("ours_few", "feast_created", "feast, filter_by_created_timestamp", (">=", 10)), ("ours_many", "pandas", "pandas merge_asof", (">=", 4)),
             ("ours_many", "pandas_by_time", "pandas, index kept by time", None), ("ours_many", "polars", "polars, prepared", ("<=", 1.5))]
    for ours, peer, name, target in lines:
        a, b = found[ours], found[peer]
        ratio = a["seconds"]/b["seconds"] if peer == "polars" else b["seconds"]/a["seconds"]
        stages = ", ".join(f"{k} {v:.2f} s" for k, v in b.get("stages", {}).items())
        leaks = {"feast": "feast_default_few", "feast_created": "feast_created_few"}.get(peer)
        note = f"in {checked[leaks]['polars']:,} labels not what was visible" if leaks else stages
        yield row(f"point-in-time join, {a['rows']:,} labels", a["seconds"], name, b["seconds"], ratio, target, memory=(a, b), note=note)


def write_rows(data):
    "Daily appends and a correction, ours and bare; the correction goes last, it changes a group of the join."
    ours, bare = run("store_ours.py", "appends", data), run("peers/bare_delta.py", data/"bare_daily", data/"daily")
    (first, last), beside = ends(ours["calls"]), ends(bare["calls"])
    yield row(f"{len(ours['calls'])} daily appends, the last ten", last, "the first ten", first, last/first, ("<=", 2), memory=(ours, ours), note=f"bare Delta {1000*beside[0]:.1f} to {1000*beside[1]:.1f} ms")
    shutil.copytree(data/"home/data/files/store/air", data/"bare_air")
    ours, bare = run("store_ours.py", "correction", data), run("peers/bare_delta.py", data/"bare_air", data/"corrections")
    a, b = min(ours["calls"]), min(bare["calls"])
    yield row("10k rows corrected", a, "bare Delta append", b, a/b, ("<=", 2), memory=(ours, bare), note=f"{ours['rows'][0]} counted as corrections")


def read_rows(data, months, times):
    "A city's month out of the long table."
    rows = run("store_ours.py", "history", data, months)["rows"]
    found = best_in_turn(times, ours=lambda: run("store_ours.py", "city_month", data, *CITY_MONTH),
                         pandas=lambda: run("peers/pandas_read.py", data/"home/data/files/store/history", *CITY_MONTH))
    a, b = found["ours"], found["pandas"]
    yield row(f"a city's month out of {rows/1e6:.1f}M rows", a["seconds"], "pandas reads all", b["seconds"], b["seconds"]/a["seconds"], (">=", 100), memory=(a, b), note=f"{a['rows']} and {b['rows']} rows")


def online_rows(data, feast, calls):
    "The newest features of 100 entities."
    ours, peer = run("store_ours.py", "online", data, calls), run("peers/feast_online.py", data, calls, python=feast)
    same = "the same values" if ours["sums"] == peer["sums"] else f"OTHER VALUES: {ours['sums']}, {peer['sums']}"
    for name, a, b in zip(("p50", "p99"), percentiles(ours["calls"]), percentiles(peer["calls"])):
        yield row(f"online lookup of 100 entities, {name}", a, "feast, sqlite", b, b/a, memory=(ours, peer), note=f"first {1000*ours['first']:.1f} ms; feast materialized in {peer['preparing']:.1f} s; {same}")


def bench(data, envs, size, times):
    "All claims on one set of data, and what stands beside them."
    feast, before = environment(envs, "feast"), machine()
    made, loaded = run("store_data.py", "make", data, *size["data"]), run("store_ours.py", "load", data)
    found = joins(data, feast, times)
    checked = run("store_data.py", "check", data)
    rows = [*join_rows(found, checked["found"]), *online_rows(data, feast, size["calls"]), *read_rows(data, size["months"], times), *write_rows(data)]
    versions = {p: version(p) for p in ("aq_workbench", "polars", "pandas", "deltalake", "pyarrow")}
    return dict(rows=rows, made=made, loaded=loaded, checked=checked, machine=f"before: {before}; after: load {os.getloadavg()[0]:.1f}", versions=versions, feast=found["feast"]["versions"])


def machine():
    "What it ran on, in a line."
    info = Path("/proc/cpuinfo")
    model = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), "") if info.exists() else platform.processor()
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {model}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def shown(seconds): return f"{seconds:.2f} s" if seconds >= 1 else f"{1000*seconds:.1f} ms"


def table(rows):
    "The claims, a line each."
    head = ["claim", "ours", "peer", "", "ratio", "target", "met", "MB", "peer MB", "note"]
    body = [[r["claim"], shown(r["ours"]), r["peer"], shown(r["beside"]), f"{r['ratio']:.2f}", r["target"] or "", {True: "yes", False: "NO", None: ""}[r["met"]], f"{r['ours_mb']:.0f}", f"{r['peer_mb']:.0f}", r["note"]] for r in rows]
    widths = [max(map(len, column)) for column in zip(head, *body)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip() for line in (head, *body))


def told(found):
    "The table, and below it preparation, agreement and machine."
    made, loaded, checked = found["made"], found["loaded"], found["checked"]
    yield table(found["rows"])
    yield f"\nrows: {', '.join(f'{k} {n:,}' for k, n in made['rows'].items())}; prepared outside the timing: ours {loaded['preparing']:.1f} s, {loaded['peak_mb']:.0f} MB (loading before it {loaded['loading']:.1f} s); the peers' index {made['preparing']:.1f} s"
    for name, f in checked["found"].items(): yield f"{name}: {f['oracle']} of {checked['of']:,} labels differ from looking at every row, {f['polars']:,} of {f['rows']:,} from the prepared polars join"
    yield found["machine"]
    yield ", ".join(f"{k} {v}" for k, v in found["versions"].items()) + "; its own environment: " + ", ".join(f"{k} {v}" for k, v in found["feast"].items())


def arguments():
    "The command's options."
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--size", choices=SIZES, default="full")
    ask.add_argument("--times", type=int, default=3, help="runs of each worker; the best counts")
    ask.add_argument("--dir", type=Path, help="where the data may lie while it runs; by default the system's folder for temporary files")
    ask.add_argument("--envs", type=Path, default=user_cache_path("aq_workbench")/"benchmarks", help="where the peers' environments are kept")
    ask.add_argument("--json", action="store_true", help="print everything that was found instead of the table")
    return ask.parse_args()


if __name__ == "__main__":
    asked = arguments()
    with tempfile.TemporaryDirectory(dir=asked.dir) as folder: found = bench(Path(folder), asked.envs.resolve(), SIZES[asked.size], asked.times)
    print(json.dumps(found, indent=1) if asked.json else "\n".join(told(found)))
    sys.exit(found["checked"]["found"]["ours_few"]["oracle"] > 0)
