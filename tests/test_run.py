"The whole flow through the command line, on made-up files in a real layout."
import json
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from conftest import aqw

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
    assert "pm25_regressor v1" in done.stdout and "aqi_classifier v1" in done.stdout and "drifted" in row and ("retrain" in row or "keep" in row)
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


def test_scores_stand_beside_baselines_on_the_same_rows(finished):
    result = newest_results(finished[0])["cities"]["Beijing"]
    for h in (1, 6, 24):
        rows = {s["model"]: s for s in result["scores"] if s["horizon_h"] == h}
        assert set(rows) == {"forecaster", "persistence", "same_hour_yesterday"} and len({r["n"] for r in rows.values()}) == 1
    assert result["fit"]["end"] < result["test"]["start"]


def test_second_run_adds_nothing_and_says_so(finished, measured):
    home, _ = finished
    before = newest_results(home)["cities"]["Beijing"]
    rows = {p: p.stat().st_mtime_ns for p in (home / "data/files/store").glob("[a-z]*/**/*.parquet")}
    again = aqw("run", "--source", "files", "--path", measured, "--cities", "Beijing", home=home)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "No row was added, no model trained" in again.stdout
    after = newest_results(home)["cities"]["Beijing"]
    assert after["added"] == 0 and after["forecasts_added"] == 0 and after["models"] == before["models"] and after["scores"] == before["scores"]
    assert {p: p.stat().st_mtime_ns for p in (home / "data/files/store").glob("[a-z]*/**/*.parquet")} == rows


@pytest.mark.parametrize("command, expected", [("status", "live_measurements"), ("models", "pm25_regressor-beijing"), ("report", "numbers"), ("drift Beijing", "pm25"),
                                               ("forecast Beijing", "Bring newer files"), ("export forecasts --city Beijing", "beijing-forecasts-"), ("cities list", "Beijing")])
def test_commands_after_a_run(finished, command, expected):
    done = aqw(*command.split(), home=finished[0])
    assert done.returncode == 0 and expected in done.stdout, done.stdout + done.stderr


def test_one_failing_city_leaves_the_others_running(measured, tmp_path):
    done = aqw("fetch", "--path", measured, "--cities", "Delhi,Beijing", home=tmp_path)
    assert done.returncode == 1
    result = newest_results(tmp_path)
    assert result["cities"]["Beijing"]["rows"] > 0
    assert "'Delhi' is not in the data; it has ['Beijing']" in result["failed"]["Delhi"]["reason"]
    assert Path(result["failed"]["Delhi"]["notebook"]).exists() and "1_ingest.ipynb" in done.stdout.replace("\n", "")
    assert "Traceback" not in done.stdout + done.stderr


def test_two_runs_on_one_data_root(measured, tmp_path):
    hold = "import sys, time; from aq_workbench.core import Settings; from aq_workbench.pipeline import one_run\nwith one_run(Settings(home=sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        second = aqw("fetch", "--path", measured, "--cities", "Beijing", home=tmp_path)
        holder.stdin.close()
    assert second.returncode == 1 and "another run is at work" in second.stderr and f"process {holder.pid}, since" in second.stderr
    assert aqw("fetch", "--path", measured, "--cities", "Beijing", home=tmp_path).returncode == 0, "a finished run lets go"


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
