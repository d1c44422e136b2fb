"README as a reader uses it: every block of Python runs, in order, in a home that holds measurements; every command and target that it names exists."
import ast
import re
import shlex

import nbformat
import polars as pl
import pytest
import typer
from aq_workbench.core import Settings
from aq_workbench.store import FeatureStore
from aq_workbench.store.sync import sync_folder
from conftest import ROOT
from IPython.lib.pretty import pretty

CELLS = nbformat.read(ROOT / "nbs/index.ipynb", as_version=4).cells
WORDS = "\n".join(c.source for c in CELLS if c.cell_type == "markdown")


def blocks():
    "Source of each block of Python, and what is shown below it."
    for cell in CELLS:
        if cell.cell_type == "code": yield cell.source, [o["data"]["text/plain"] for o in cell.outputs]
        else: yield from ((found, []) for found in re.findall(r"```python\n(.*?)```", cell.source, re.S))


def run(source, names):
    "Run a block as a notebook does: the values of its bare expressions, in order."
    values = []
    for statement in ast.parse(source).body:
        code = ast.unparse(statement)
        if isinstance(statement, ast.Expr): values.append((code, eval(code, names)))
        else: exec(code, names)
    return values


@pytest.fixture(scope="module")
def ran(measured, tmp_path_factory):
    "What each block gave in a home that holds measurements, and what stands below it."
    home, names = tmp_path_factory.mktemp("reader"), {}
    sync_folder(FeatureStore(Settings(home=home, source="files")), measured, "Beijing")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AQW_SOURCE", "MLFLOW_TRACKING_URI"): patch.delenv(name, raising=False)
        patch.setenv("AQW_HOME", str(home))
        return [(run(source, names), shown) for source, shown in blocks()]


def test_every_block_runs_and_shows_what_is_shown(ran):
    assert len(ran) >= 3
    for values, shown in ran:
        if shown: assert [pretty(values[-1][1])] == shown


def test_no_call_of_readme_comes_back_empty(ran):
    frames = [(code, value) for values, _ in ran for code, value in values if hasattr(value, "columns")]
    assert len(frames) >= 8
    for code, frame in frames: assert len(frame), code
    joined = [pl.DataFrame(frame) for code, frame in frames if re.match(r"store\.(online|training_frame)", code)]
    assert len(joined) == 3
    for frame in joined: assert frame.select(pl.col("^.*pm25$").drop_nulls()).height, "nothing is known of that station"


def test_the_first_example_of_the_store_takes_what_is_usable():
    assert "load_features(usable=True)" in next(source for source, _ in blocks() if "FeatureStore" in source)


def commands():
    "Words of every aqw command that README names, in its blocks and in its lines."
    told = re.findall(r"`((?:[A-Z_]+=\S+ )*aqw [^`]+)`", WORDS)
    told += [line for block in re.findall(r"```sh\n(.*?)```", WORDS, re.S) for line in block.splitlines() if line.startswith("aqw ")]
    return sorted({line.split("#")[0].strip() for line in told})


def test_readme_names_many_commands(): assert len(commands()) > 20


@pytest.mark.parametrize("line", commands())
def test_a_command_of_readme_exists_with_its_options(line):
    from aq_workbench.commands.cli import app
    command, words = typer.main.get_command(app), shlex.split(re.sub(r"[<>…]", "x", line))
    words = words[words.index("aqw") + 1:]
    while words and words[0] in getattr(command, "commands", {}): command = command.commands[words.pop(0)]
    assert not getattr(command, "commands", None) or not words or words[0].startswith("--"), f"{words[0]} is no command"
    known = {"--help", *(o for p in command.params for o in p.opts + p.secondary_opts)}
    assert {w.split("=")[0] for w in words if w.startswith("-")} <= known


def test_a_make_target_of_readme_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)) | {"dashboard", "lab", "serve"}
    assert set(re.findall(r"^make (\w+)|`make (\w+)`", WORDS, re.M)) and {a or b for a, b in re.findall(r"^make (\w+)|`make (\w+)`", WORDS, re.M)} <= targets
