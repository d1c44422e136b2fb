"The house's own rules: what is derived is up to date, notebooks import in order, cells are small and explained."
import ast
import builtins
import dis
import importlib
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import notebooks  # noqa: E402

LIBRARY = sorted((ROOT / "nbs").glob("[0-9]*/[0-9]*.ipynb"))
PIPELINES = sorted((ROOT / "nbs").glob("pipelines/*.ipynb")) + sorted((ROOT / "nbs").glob("dashboard/*.ipynb"))
PINS = re.compile(r"\bassert\b|pytest\.raises|assert_frame_equal")


def cells(path): return [(c["cell_type"], "".join(c["source"]), c) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def exported(path):
    "Lines of each exported cell that is more than imports, and whether prose stands before it."
    found, prose = [], False
    for kind, source, _ in cells(path):
        if kind == "markdown": prose = True
        elif re.search(r"^#\|\s*export", source, re.M):
            lines = [l for l in source.splitlines() if l.strip() and not l.startswith("#|")]
            if not all(re.match(r"(from|import)\b", l) for l in lines): found.append((lines, prose))
            prose = False
    return found


def module_of(path): return next(m[1] for _, s, _ in cells(path) if (m := re.search(r"#\|\s*default_exp\s+(\S+)", s)))


def test_derived_files_are_up_to_date():
    "Package equals export, README equals index, assets equal their notebooks."
    done = subprocess.run([sys.executable, "docs/export.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_of_derived_files_can_fail(tmp_path):
    from shutil import copytree, ignore_patterns
    copy = copytree(ROOT, tmp_path / "copy", ignore=ignore_patterns(".venv", ".git", "data", "reports"))
    with (copy / "aq_workbench/core/settings.py").open("a") as f: f.write("# edited by hand\n")
    (copy / "README.md").write_text("other")
    done = subprocess.run([sys.executable, "docs/export.py", "--check"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 1 and "core/settings.py is not its notebook's export" in done.stdout and "README.md" in done.stdout


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: p.stem)
def test_cells_are_small_explained_and_pinned(path):
    found = exported(path)
    sizes = [len(lines) for lines, _ in found]
    tests = sum(bool(PINS.search(s)) for k, s, _ in cells(path) if k == "code" and not s.startswith("#| export"))
    assert max(sizes) <= 30, [lines[0] for lines, _ in found if len(lines) > 30]
    assert all(prose for _, prose in found), [lines[0] for lines, prose in found if not prose]
    assert tests >= len(found), f"{tests} test cells for {len(found)} exports"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: p.stem)
def test_lines_are_short_and_an_assert_makes_one_claim(path):
    for kind, source, _ in cells(path):
        if kind != "code": continue
        assert [line for line in source.splitlines() if len(line) > 120] == []
        claims = [n.test for n in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M))) if isinstance(n, ast.Assert)]
        assert not [ast.unparse(c) for c in claims if isinstance(c, ast.BoolOp) and isinstance(c.op, ast.And)]


def test_no_room_passes_400_lines():
    sizes = {module_of(p): sum(len(lines) for lines, _ in exported(p)) for p in LIBRARY}
    assert {room: n for room, n in sizes.items() if n > 400} == {}


def test_the_median_cell_is_short():
    assert statistics.median(len(lines) for p in LIBRARY for lines, _ in exported(p)) <= 10


ROOMS = [module_of(p) for p in LIBRARY]   # "store.tables", in the order of their numbers
WINGS = list(dict.fromkeys(room.split(".")[0] for room in ROOMS))


def imported(source):
    "What a cell imports of ours: the path within the package and the names."
    for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M))):
        if isinstance(node, ast.Import): yield from ((a.name.split(".")[1:], []) for a in node.names if a.name.split(".")[0] == "aq_workbench")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aq_workbench": yield node.module.split(".")[1:], [a.name for a in node.names]


def import_fault(room, path, names):
    "What is wrong with an import of a room; None where all is well."
    wing, to = room.split(".")[0], ".".join(path)
    if not path: return f"{room} imports the face of the whole; a wing's face says where {', '.join(names) or 'it'} comes from"
    if path[0] not in WINGS: return f"{room} imports {to}, which is no wing"
    if path[0] != wing and len(path) > 1: return f"{room} reaches past the face of {path[0]} into {to}"
    if path[0] == wing and len(path) == 1: return f"{room} imports the face of its own wing"
    if to in ROOMS and ROOMS.index(to) >= ROOMS.index(room) or len(path) == 1 and WINGS.index(to) > WINGS.index(wing): return f"{room} imports {to}, which comes later"


def test_imports_go_through_faces_to_what_comes_before():
    for path in LIBRARY:
        for kind, source, _ in cells(path):
            if kind != "code" or not re.search(r"^#\|\s*export", source, re.M): continue
            for to, names in imported(source): assert not (fault := import_fault(module_of(path), to, names)), fault


@pytest.mark.parametrize("room, source, fault", [
    ("store.groups", "from aq_workbench.store.tables import Place", None), ("store.groups", "from aq_workbench.core import Settings", None),
    ("store.tables", "from aq_workbench.store.groups import x", "comes later"), ("core.settings", "from aq_workbench.store import x", "comes later"),
    ("training.fit", "from aq_workbench.store.tables import x", "past the face of store"), ("store.groups", "def f():\n from aq_workbench.store import x", "its own wing"),
    ("store.groups", "import aq_workbench", "the face of the whole"), ("store.groups", "from aq_workbench.sync import x", "no wing")])
def test_an_import_that_breaks_a_rule_is_named(room, source, fault):
    told = [import_fault(room, *found) for found in imported(source)]
    assert told == [None] if fault is None else fault in told[0]


@pytest.mark.parametrize("wing", WINGS)
def test_a_face_gives_what_it_lists_and_no_room(wing):
    "A name that is a room or a wing too would mean another thing after the room was imported."
    face = importlib.import_module(f"aq_workbench.{wing}")
    assert face.__doc__ and face.__all__
    taken = {*WINGS, *(room.split(".")[1] for room in ROOMS if room.startswith(wing + "."))} & set(face.__all__)
    assert not taken, f"the face of {wing} exports {taken}, names of rooms"
    for name in face.__all__: assert getattr(face, name) is not None


def bare_errors(source):
    "Where a cell makes an `AqwError` of no kind."
    return [ast.unparse(n) for n in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.M)))
            if isinstance(n, ast.Call) and getattr(n.func, "id", getattr(n.func, "attr", "")) == "AqwError"]


def test_a_bare_error_is_found():
    assert bare_errors("if lost: raise AqwError('gone', 'look') from e") == ["AqwError('gone', 'look')"]
    assert bare_errors("def f(e:AqwError):\n    raise Missing('gone')") == []


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: p.stem)
def test_every_error_has_its_kind(path):
    "A caller catches a kind; an error without one can only be caught with all the others."
    assert [e for _, s, _ in cells(path) if re.search(r"^#\|\s*export", s, re.M) for e in bare_errors(s)] == []


def exports_of(room): return importlib.import_module(f"aq_workbench.{room}").__all__


def test_one_name_lies_in_one_room():
    "A name that two rooms export means two things to whoever searches for it."
    homes = {}
    for room in ROOMS:
        for name in exports_of(room): homes.setdefault(name, []).append(room)
    assert {name: rooms for name, rooms in homes.items() if len(rooms) > 1} == {}


def test_a_room_lies_in_the_folder_of_its_wing():
    for path in LIBRARY: assert module_of(path) == ".".join(re.sub(r"^\d\d_", "", part) for part in (path.parent.name, path.stem)), path


@pytest.mark.parametrize("path", LIBRARY + PIPELINES, ids=lambda p: p.stem)
def test_notebooks_are_clean(path):
    "Of outputs a library notebook keeps what its cells show: text, tables, small pictures. Others keep nothing."
    for kind, source, cell in cells(path):
        assert set(cell["metadata"]) <= {"tags"}
        if kind != "code": continue
        assert cell["execution_count"] is None, source
        if path in PIPELINES or notebooks.SILENT.search(source): assert cell["outputs"] == [], source
        assert [notebooks.kept_output(o) for o in cell["outputs"]] == cell["outputs"], source


def test_a_cell_that_shows_something_else_is_named(tmp_path, monkeypatch):
    "And what is volatile, hidden or exported keeps nothing."
    monkeypatch.setenv("AQW_NOW", notebooks.MOMENT)
    cell = lambda id, source, *tags: {"cell_type": "code", "id": id, "execution_count": None, "outputs": [], "source": [source], "metadata": {"tags": [*tags]} if tags else {}}
    made = [cell("a", "print('seen'); 1 + 1"), cell("b", "object()", "volatile"), cell("c", "#| hide\n7"), cell("d", "__import__('tempfile').mkdtemp()")]
    path = tmp_path / "made.ipynb"
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    child = f"import json, pathlib, notebooks as n; print(json.dumps(n.run(pathlib.Path({str(path)!r}))[1:]))"
    done = subprocess.run([sys.executable, "-c", child], cwd=ROOT / "docs", capture_output=True, text=True)
    trace, outputs = json.loads(done.stdout)
    assert trace is None and [notebooks.words(o) for o in outputs] == [["seen\n", "2"], [], [], ["'/tmp/home'"]]
    assert "made.ipynb: a cell shows something else" in next(notebooks.differences(path, outputs))
    notebooks.keep(path, outputs)
    assert not list(notebooks.differences(path, outputs))


def test_numbers_may_differ_in_the_fourth_digit():
    assert notebooks.same(["rmse 12.345 of 7"], ["rmse 12.346 of 7"])
    for other in ("rmse 12.445 of 7", "rmse 12.345 of 8", "mae 12.345 of 7"): assert not notebooks.same(["rmse 12.345 of 7"], [other])


SET = re.compile(r"os\.environ\['((?:AQW|OPENAQ|MLFLOW)_\w+)'\]\s*=(?!=)")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: p.stem)
def test_a_notebook_takes_back_what_it_set(path):
    "Several notebooks are tested in one process: a variable that one leaves behind would change the next."
    code = "\n".join(s for k, s, _ in cells(path) if k == "code" and "#| export" not in s)
    for name in set(SET.findall(code)):
        last = [line for line in code.splitlines() if f"os.environ['{name}']" in line][-1]
        assert last.strip().startswith("del "), f"{name} is left set: {last}"


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.stem)
def test_notebooks_that_run_hold_no_logic(path):
    code = [s for k, s, _ in cells(path) if k == "code"]
    assert len(code) <= 8
    for source in code: assert not re.search(r"^\s*(if|for|while|def|class)\b|groupby|group_by", source, re.M), source


def test_exported_code_needs_no_nbdev():
    for path in (ROOT / "aq_workbench").rglob("*.py"):
        if path.name != "_modidx.py": assert not re.search(r"^\s*(import|from) (nbdev|fastcore)", path.read_text(encoding="utf-8"), re.M), path.name


def globals_of(code):
    "Names that the functions in a piece of code look up in their module."
    found = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return found.union(*(globals_of(c) for c in code.co_consts if hasattr(c, "co_code")))


def lost_names(source, names): return globals_of(compile(source, "module", "exec")) - set(names) - set(vars(builtins))


def test_a_lost_name_is_found(): assert lost_names("class A:\n    def f(self): return utc(len(x))", ["A"]) == {"utc", "x"}


@pytest.mark.parametrize("name", ROOMS)
def test_exported_code_has_every_name_that_it_uses(name):
    "A name that only a hidden cell of the notebook imports is missing in the package."
    module = importlib.import_module(f"aq_workbench.{name}")
    assert not lost_names(Path(module.__file__).read_text(encoding="utf-8"), vars(module))


READS = {"scan", "group", "FeatureGroup", "load_features", "get_latest_features", "history"}


def reads_of(source, group, constant):
    "Calls in a piece of code that read a group of the store by its name or its constant."
    names = lambda node: isinstance(node, ast.Constant) and node.value == group or isinstance(node, ast.Name) and node.id == constant
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and getattr(n.func, "id", getattr(n.func, "attr", "")) in READS]
    return [ast.unparse(c) for c in calls if any(map(names, [*c.args, *(k.value for k in c.keywords)]))]


def test_a_reader_of_forecasts_is_found(): assert reads_of("store.scan('forecasts'); store.group(ISSUED); f('forecasts')", "forecasts", "ISSUED") == ["store.scan('forecasts')", "store.group(ISSUED)"]


@pytest.mark.parametrize("name", ROOMS)
def test_issued_forecasts_have_one_reader(name):
    "Which forecast is the newest is said in one room; no other looks into the group itself."
    found = reads_of((ROOT / f"aq_workbench/{name.replace('.', '/')}.py").read_text(encoding="utf-8"), "forecasts", "ISSUED")
    assert bool(found) == (name == "training.forecast"), found


def test_import_is_cheap():
    "The package's import brings none of the heavy libraries; its seconds are in benchmarks/import_time.py."
    heavy = "mlflow lightgbm polars pandas altair voila fastapi sklearn scipy papermill".split()
    code = f"import sys, aq_workbench; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_face_names_exist():
    import aq_workbench
    for name in aq_workbench.__all__: assert getattr(aq_workbench, name).__name__ == name
    with pytest.raises(AttributeError, match="attribute.*Nothing"): aq_workbench.Nothing
