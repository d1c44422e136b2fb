"The whole flow through the command line, on made-up files in a real layout."
import io
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import aqw, run_here, write_city
from nbconvert import HTMLExporter
from rich.console import Console

from aq_workbench.core import Settings
from aq_workbench.pipeline import one_run
from aq_workbench.commands.retention import judge_runs, read_run
from aq_workbench.commands.printing import summary_of_run

COMMANDS = "run fetch train forecast monitor export cities drift report dashboard serve lab models status".split()


def newest_results(home): return json.loads(sorted((home / "reports/runs").glob("*/results.json"))[-1].read_text(encoding="utf-8"))


def test_help_lists_the_commands(tmp_path):
    shown = aqw("--help", home=tmp_path).stdout
    assert all(f" {c} " in shown for c in COMMANDS)


def test_run_prints_its_table_and_what_is_next(finished):
    home, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("fetch", "train", "forecast", "monitor"): assert f"Beijing: {stage} done" in done.stdout
    row = done.stdout[done.stdout.index("RMSE in µg/m³"):]
    result = newest_results(home)["cities"]["Beijing"]
    for s in result["scores"]:
        if s["model"] in ("forecaster", "persistence"): assert f"{s['rmse']:.1f}" in row
    assert "v1 serves" in row and "lost" not in row and "drifted" in row and ("retrain" in row or "keep" in row)
    assert f"{result['added']:,} new" in row and "2 heard" in row and "silent" not in row
    assert "Try next" in done.stdout and "aqw dashboard" in done.stdout


def test_run_leaves_executed_notebooks_and_a_report(finished):
    home, _ = finished
    folder = next((home / "reports/runs").glob("*-beijing"))
    executed = sorted(p.stem for p in (folder / "beijing").glob("*.ipynb"))
    assert executed == ["1_ingest", "2_train", "3_forecast", "4_monitor"]
    for path in [*(folder / "beijing").glob("*.ipynb"), folder / "5_report.ipynb"]:
        nb = nbformat.read(path, as_version=4)
        assert all(c.execution_count for c in nb.cells if c.cell_type == "code" and c.source), path
    assert {"numbers.tex", "table1.tex", "table2.tex", "paper.tex"} <= {p.name for p in (folder / "report").rglob("*.tex")}


def test_what_a_real_run_leaves_is_known(finished):
    "Every file of a run, its report included, is one that tidy knows as a run's; and its trained versions are found to serve."
    home, done = finished
    assert done.returncode == 0
    run = read_run(sorted((home / "reports/runs").iterdir())[0])
    assert "no run makes" not in run.odd and run.kind == "files" and run.bytes > 100_000
    settings = Settings(home=home, source="files", keep_runs=1, keep_run_days=0)
    later = home / "reports/runs/29991231-000000-beijing"
    later.mkdir()
    try:
        (later / "results.json").write_text(json.dumps({"source": "files", "cities": {"Beijing": {}}, "failed": {}}))
        fates = {f.run.path: f for f in judge_runs(settings)}
        assert fates[later].rule == "newest"
        if not run.odd: assert (fates[run.path].rule, "pm25_regressor-beijing v1" in fates[run.path].why) == ("serves", True)
    finally:
        (later / "results.json").unlink()
        later.rmdir()


@pytest.mark.parametrize("stage, charts", [("beijing/1_ingest", 0), ("beijing/2_train", 1), ("beijing/3_forecast", 0), ("beijing/4_monitor", 1), ("5_report", 0)])
def test_executed_notebooks_show_everything_without_a_network(finished, stage, charts):
    "Each chart is a picture and each result is text, in the notebook and in its export to HTML."
    nb = nbformat.read(next((finished[0] / "reports/runs").glob("*-beijing")) / f"{stage}.ipynb", as_version=4)
    outputs = [o.data for c in nb.cells for o in c.get("outputs", []) if "data" in o]
    assert sum("image/png" in d for d in outputs) == charts
    assert not [d for d in outputs if "<script" in d.get("text/html", "")]
    assert json.loads(outputs[-1]["text/plain"]) == outputs[-1]["application/json"]
    html = HTMLExporter().from_notebook_node(nb)[0]
    assert html.count('src="data:image/png;base64,') == charts
    assert "vegaEmbed" not in html and "IPython.core.display" not in html


def test_scores_stand_beside_baselines_on_the_same_rows(finished):
    result = newest_results(finished[0])["cities"]["Beijing"]
    for h in (1, 6, 24):
        rows = {s["model"]: s for s in result["scores"] if s["horizon_h"] == h}
        assert set(rows) == {"forecaster", "persistence", "same_hour_yesterday"} and len({r["n"] for r in rows.values()}) == 1
    assert result["fit"]["end"] < result["test"]["start"]


def test_second_run_adds_nothing_and_says_so(finished, measured):
    "With `aqw run` .ci/run does the same to four years of Beijing."
    home, _ = finished
    before = newest_results(home)["cities"]["Beijing"]
    rows = {p: p.stat().st_mtime_ns for p in (home / "data/files/store").glob("[a-z]*/**/*.parquet")}
    again = run_here("Beijing", home=home, source="files", path=str(measured))
    whole = json.loads((again / "results.json").read_text(encoding="utf-8"))
    page = Console(file=io.StringIO(), width=160)
    page.print(summary_of_run(whole["cities"]))
    printed, after = page.file.getvalue(), whole["cities"]["Beijing"]
    assert "No row was added, no model trained" in printed
    assert "0 new" in printed and f"{before['added']:,} repeated" in printed and "v1 serves" in printed
    assert after["added"] == 0 and after["forecasts_added"] == 0 and after["models"] == before["models"] and after["scores"] == before["scores"]
    assert {p: p.stat().st_mtime_ns for p in (home / "data/files/store").glob("[a-z]*/**/*.parquet")} == rows


@pytest.mark.parametrize("command, expected", [("status", "live_measurements"), ("models", "pm25_regressor-beijing"), ("report", "numbers"), ("drift Beijing", "pm25"),
                                               ("forecast Beijing", "Bring newer files"), ("export forecasts --city Beijing", "beijing-forecasts-"), ("cities list", "Beijing")])
def test_commands_after_a_run(finished, command, expected):
    done = aqw(*command.split(), home=finished[0])
    assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr


def of_stage(whole, stage, width=80):
    "What a run of this stage alone would have printed."
    page = Console(file=io.StringIO(), width=width)
    page.print(summary_of_run({city: {**e, "seconds": {stage: 1.0}} for city, e in whole["cities"].items()}))
    return page.file.getvalue()


@pytest.mark.parametrize("stage, words", [("fetch", "heard silent new corrected repeated"), ("train", "pm25_regressor aqi_classifier serves"),
                                          ("forecast", "issued stations new"), ("monitor", "outcomes drifted decision")])
def test_each_stage_prints_the_table_that_answers_its_question(finished, stage, words):
    whole = newest_results(finished[0])
    text = of_stage(whole, stage)
    assert all(word in text for word in words.split())
    row = next(line for line in text.splitlines() if line.startswith("Beijing"))
    assert len(row.split()) >= 5 and "–" not in row.split(), "no row of dashes"
    assert max(map(len, text.splitlines())) <= 80
    assert of_stage(whole, stage, 160).split() == text.split(), "the same at any width"


def silenced(measured, folder, hours):
    "The same files, but the station Wanliu ends some hours before the other."
    folder.mkdir()
    for path in measured.glob("*.csv"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / path.name).write_text("".join(lines[:-hours] if "Wanliu" in path.name else lines), encoding="utf-8")
    return folder


def test_one_failing_city_leaves_the_others_running(measured, tmp_path):
    "A file of the one has lines that nobody can read. And the table says which station of the other fell silent, in 80 columns."
    silenced(measured, tmp_path / "files", 48)
    spoilt = next(write_city(tmp_path / "spoilt", stations=("Dongsi",), days=5).glob("*.csv"))
    spoilt.write_text(spoilt.read_text(encoding="utf-8").replace(",2015,1,1,", ",20#5,1,1,"), encoding="utf-8")
    (tmp_path / "cities.yaml").write_text(json.dumps({"cities": [{"name": "Delhi", "path": "spoilt"}, {"name": "Beijing", "path": "files"}]}))
    done = aqw("fetch", home=tmp_path, COLUMNS="80")
    assert done.returncode == 1 and "Failed" in done.stdout
    row = next(line for line in done.stdout.splitlines() if re.match("Beijing .*2014-12-31", line)).split()
    assert row[1:3] == ["1", "1"], "one station heard, one silent"
    assert "Beijing: silent: Wanliu (last heard 2015-07-17 16:00)." in done.stdout
    result = newest_results(tmp_path)
    assert result["cities"]["Beijing"]["rows"] > 0
    failed = result["failed"]["Delhi"]
    assert "line 2" in failed["reason"] and "20#5" in failed["reason"] and failed["do"]
    assert Path(result["failed"]["Delhi"]["notebook"]).exists() and "1_ingest.ipynb" in done.stdout.replace("\n", "")
    assert "Traceback" not in done.stdout + done.stderr


def test_two_runs_on_one_data_root(measured, tmp_path):
    hold = "import sys, time; from aq_workbench.core import Settings; from aq_workbench.pipeline import one_run\nwith one_run(Settings(home=sys.argv[1], source='files')): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        second = aqw("fetch", "--path", measured, "--cities", "Beijing", home=tmp_path)
        holder.stdin.close()
    assert second.returncode == 1 and "another run is at work" in second.stderr and f"process {holder.pid}, since" in second.stderr
    with one_run(Settings(home=tmp_path, source="files")): pass   # a finished run lets go


def test_a_killed_worker_is_a_failed_city(measured, tmp_path):
    "The kernel of a running city is killed: the city is reported, the run ends by itself."
    import psutil
    from aq_workbench.pipeline import Job, run_cities

    over = threading.Event()

    def kill_kernel(city, stage, state, seconds):
        if state == "begins": threading.Thread(target=kill_when_there, daemon=True).start()

    def kill_when_there():
        while not over.is_set():
            kernels = [p for p in psutil.Process().children(recursive=True) if "ipykernel_launcher" in " ".join(p.cmdline())]
            if kernels: return kernels[0].kill()
            over.wait(.05)

    job = Job("Beijing", run="r", home=str(tmp_path), source="files", stages=("fetch",), path=str(measured))
    failed = run_cities([job], tell=kill_kernel)[0].failed
    over.set()
    assert failed["stage"] == "fetch" and "died" in failed["reason"].lower(), failed


@pytest.mark.soak
def test_a_challenger_that_loses_is_named(measured, finished, tmp_path):
    "A hundred days of shuffled hours spoil the second training, then old days come again: the table shows who serves and who lost, and so does a run after it."
    home = Path(shutil.copytree(finished[0], tmp_path / "home"))
    folder = write_city(tmp_path / "more", days=400)
    for path in folder.glob("*.csv"):
        frame = pd.read_csv(path)
        pm25 = frame["PM2.5"].to_numpy(copy=True)
        pm25[200 * 24:300 * 24] = 4 * np.random.default_rng(0).permutation(pm25[200 * 24:300 * 24])
        pm25[300 * 24:] = pm25[20 * 24:120 * 24]
        frame.assign(**{"PM2.5": pm25}).to_csv(path, index=False)
    assert aqw("fetch", "--path", folder, "--cities", "Beijing", home=home).returncode == 0
    done = aqw("train", "--cities", "Beijing", home=home, COLUMNS="80")
    told = newest_results(home)["cities"]["Beijing"]
    assert told["models"]["pm25_regressor-beijing"] == 1 and told["lost"]["models"]["pm25_regressor-beijing"] == 2, done.stdout
    assert " serves " in done.stdout and " lost " in done.stdout and "v2 lost: its RMSE is" in done.stdout.replace("\n", " ")
    assert told["scores"] != told["lost"]["scores"]
    for command, word in (("forecast", "in 24 h"), ("monitor", "outcomes")):
        said = aqw(command, "--cities", "Beijing", home=home, COLUMNS="80")
        assert said.returncode == 0 and word in said.stdout, said.stdout + said.stderr
