"The walk `aqw demo` as a person takes it: what it says must be what its stores hold."
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from aq_workbench.commands.steps import DEMO_FEATURES
from aq_workbench.core import Settings
from aq_workbench.quality import usable
from aq_workbench.registry import ModelRegistry
from aq_workbench.store import FeatureStore
from conftest import PATIENCE, aqw, need


CLEAN = {"OPENAQ_API_KEY": "", "MLFLOW_TRACKING_URI": "", "AQW_NOW": ""}   # the walk needs a clock that runs


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    "A home in which the walk was taken once, and what it printed."
    home = tmp_path_factory.mktemp("walk")
    return home, aqw("demo", "--yes", home=home, COLUMNS="80", **CLEAN)


@pytest.fixture(scope="module")
def settings(walked): return Settings(home=walked[0] / "demo", source="sandbox", mlflow_tracking_uri="")


@pytest.fixture(scope="module")
def steps(walked):
    "What each step printed."
    home, done = walked
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.split(r"^\d of 6  ", done.stdout, flags=re.M)
    assert len(found) == 7 and all("SIMULATED" in part.splitlines()[0] for part in found[1:])
    pages = [f"1 of 6  {part}".splitlines() for part in found[1:6]]
    assert all(len(line) <= 80 for page in pages for line in page) and max(map(len, pages)) <= 23, "on a screen of 24 lines"
    return dict(enumerate(found))


def table(text, first):
    "The rows of the table whose header begins with `first`: the first cell, then the others."
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith(first)) + 2
    end = next(i for i in range(start, len(lines)) if not re.search(r"\S {2,}\S", lines[i]) or lines[i + 1].startswith("──"))
    return [re.split(r" {2,}", line.strip()) for line in lines[start:end]]


def rounded(value, digits):
    "Equals what `value` is when it is printed: the last digit may have gone either way."
    return pytest.approx(value, abs=.5 * 10.**-digits + 1e-9)


def numbers(row): return [float(cell.rstrip("%").replace(",", "").split()[0]) for cell in row]


def test_nothing_is_written_elsewhere(walked, steps):
    assert [p.name for p in walked[0].iterdir()] == ["demo"] and str(walked[0] / "demo") in steps[0]


def test_live_data_are_what_the_store_then_holds(steps, settings):
    "London's newest values are printed in step 1 and stored in step 3; a day of Delhi is drawn in step 1 and stored in step 2."
    assert "fetcher = LiveDataFetcher(settings, progress=say)" in steps[1], "how the fetcher was made"
    shown = {row[0]: row for row in table(steps[1], "city")}
    assert sorted(shown) == ["Beijing", "Delhi", "London"] and {row[1] for row in shown.values()} == {"3"}, "the fourth fell silent"
    rows = FeatureStore(settings).scan(where=(pl.col("city") == "London")).collect()
    hour = rows.filter(pl.col("event_ts").dt.strftime("%d %b %H:%M") == shown["London"][2])["event_ts"].max()
    last = rows.filter(pl.col("event_ts").is_between(hour - timedelta(days=1), hour)).sort("event_ts").group_by("sensor_id").last().filter(usable())
    mean = dict(last.group_by("parameter").agg(pl.col("value").mean()).iter_rows())
    for said, p in zip(shown["London"][3:], ("pm25", "pm10", "no2", "o3")): assert float(said) == rounded(mean[p], 0)
    day = FeatureStore(settings).scan(version=0).filter(usable()).group_by("event_ts").agg(pl.col("value").mean()).collect()
    top = re.search(r"^ +(\d+) │", steps[1], re.M)
    assert float(top[1]) == rounded(day["value"].max(), 0)
    assert 0 < day.height <= 24


def test_the_store_knows_what_was_known(steps, settings):
    store = FeatureStore(settings)
    first = store.load_features(version=0)
    assert [numbers(row[1:]) for row in table(steps[2], "write")] == [[len(first), 0, 0, 0], [0, 0, len(first), 0], [0, 1, 0, 1], [0, 1, len(first) - 1, 2]]
    asked = {row[0].split(",")[0]: float(row[1]) for row in table(steps[2], "Delhi")}
    key = ["sensor_id", "event_ts"]
    was, became, now = (store.load_features(**query).set_index(key)["value"] for query in ({"version": 0}, {"version": 1}, {}))
    peak, = was.index[was != became.reindex(was.index)]
    assert was[peak] == was.max()
    assert became[peak] == was[peak] / 2
    assert now[peak] == was[peak]
    assert asked.pop("version 1") == rounded(became[peak], 1)
    assert asked.pop("now") == rounded(now[peak], 1)
    assert list(asked.values()) == [rounded(was[peak], 1), rounded(became[peak], 1)]
    assert all(moment.startswith("asof ") for moment in asked)


def test_training_is_what_was_registered(steps, settings):
    kept = json.loads((settings.home / "data/sandbox/trained/london.json").read_text(encoding="utf-8"))["versions"]["1"]
    metrics = ModelRegistry(settings).champion("pm25_regressor-london")["metrics"]
    rows = {int(row[0]): numbers(row[1:]) for row in table(steps[3], "hours ahead")}
    assert sorted(rows) == [1, 6, 24]
    for h, (n, rmse, persistence, better, bias, _) in rows.items():
        theirs = next(s for s in kept["scores"] if s["model"] == "persistence" and s["horizon_h"] == h)
        assert n == metrics[f"n_{h}h"] == theirs["n"]
        assert (rmse, persistence, bias) == (rounded(metrics[f"rmse_{h}h"], 2), rounded(theirs["rmse"], 2), rounded(metrics[f"bias_{h}h"], 2))
        assert better == rounded(100 * (1 - metrics[f"rmse_{h}h"] / theirs["rmse"]), 0)
    stored, stations = FeatureStore(settings).scan(where=pl.col("city") == "London").select(pl.len(), pl.col("location_id").n_unique()).collect().row(0)
    assert f"{stored:,} readings of {stations} stations came, {stored:,} of them new" in steps[3]


def test_registry_holds_champion_and_challenger(steps, settings):
    versions = ModelRegistry(settings).compare_models("pm25_regressor-london")
    shown = table(steps[4], "version  stage")
    assert [(int(row[0]), row[1]) for row in shown] == list(zip(versions["version"], versions["stage"])) == [(2, "Staging"), (1, "Production")]
    for row, v in zip(shown, versions.to_dict("records")): assert numbers(row[3:]) == [rounded(v[f"rmse_{h}h"], 2) for h in (1, 6, 24)]
    assert versions.iloc[0]["rmse_1h"] != versions.iloc[1]["rmse_1h"] and "Version 1 serves (Production)" in steps[4]


def test_drift_is_what_the_report_says(steps, settings):
    saved = json.loads(next((settings.home / "reports/drift").glob("*.json")).read_text(encoding="utf-8"))
    shown = {row[0]: row for row in table(steps[5], "feature")}
    assert set(shown) == set(saved["features"])
    for name, entry in saved["features"].items():
        effect, p, drift = shown[name][4:]
        assert (effect, p, drift) == (f"{entry['effect']:.2f} sd", f"{entry['p_adjusted']:.2g}", "yes" if entry["drift"] else "–")
    assert saved["features"]["pm25"]["drift"] and set(shown) == set(DEMO_FEATURES)
    assert {saved["n_reference"], saved["n_current"]} <= {*range(24, 31)}, "a network may lose days"
    assert "With the fault: retrain." in steps[5] and numbers(shown["pm25"][1:2]) < numbers(shown["pm25"][4:5])


def test_api_said_what_the_store_holds(steps, settings):
    said = dict(re.findall(r"^GET (\S+)\n(\{.*?\})\n(?=GET|\n)", steps[6], re.M | re.S))
    health, answer = (json.loads(re.sub(r" ?\n", " ", said[path])) for path in ("/health", "/v1/forecast/London"))
    stored = FeatureStore(settings).load_features("forecasts")
    assert health["ok"] and health["simulated"] and health["groups"][0]["rows"] == len(stored)
    first = answer["forecasts"][0]
    newest = stored[(stored["location_id"] == first["location_id"]) & (stored["horizon_h"] == 1)].sort_values("issued_at").iloc[-1]
    assert answer["simulated"] and [first[k] for k in ("mean", "lo90", "hi90")] == [rounded(newest[k], 2) for k in ("mean", "lo90", "hi90")]
    assert first["version"] == 1 and answer["forecasts"][1] == "… 8 more", "3 stations that report, 3 horizons"


def test_the_demo_is_a_home_in_which_the_commands_work(walked, steps, settings):
    shown = aqw("status", home=settings.home)
    assert shown.returncode == 0 and "data/sandbox" in shown.stdout and "forecasts" in shown.stdout


def test_a_second_walk_trains_nothing_and_says_so(walked, steps, settings):
    before = FeatureStore(settings).scan().select(pl.len()).collect().item()
    done = aqw("demo", "--step", "4", home=walked[0], **CLEAN)
    assert done.returncode == 0, done.stderr
    assert f"An earlier walk left {before:,} readings and 2 models" in done.stdout and "3 of 6" not in done.stdout
    assert [(row[0], row[1]) for row in table(done.stdout, "version  stage")] == [("3", "Staging"), ("2", "Archived"), ("1", "Production")]
    again = aqw("demo", "--step", "3", home=walked[0], **CLEAN)
    assert "Nothing was trained: version 1" in again.stdout and ModelRegistry(settings).champion("pm25_regressor-london")["version"] == 1


def test_an_error_names_the_step_and_what_to_do(tmp_path):
    (tmp_path / "demo/data/sandbox").mkdir(parents=True)
    (tmp_path / "demo/data/sandbox/mlflow.db").write_text("no database")
    done = aqw("demo", "--step", "3", home=tmp_path, **CLEAN)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"step 3, Training: the registry .* is broken\n +-> .*move it away.*; then go on with aqw demo --step 3", done.stderr), done.stderr


def test_a_home_that_cannot_be_read_is_to_be_deleted(tmp_path):
    log = tmp_path / "demo/data/sandbox/store/live_measurements/_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{ torn")
    done = aqw("demo", home=tmp_path, **CLEAN)
    assert done.returncode == 1 and "live_measurements cannot be used" in done.stderr and f"-> delete {tmp_path / 'demo'}" in done.stderr


def test_q_ends_the_walk_at_a_terminal(tmp_path):
    need(os.name == "posix", "a terminal of POSIX")
    mine, theirs = os.openpty()
    command = [str(Path(sys.executable).with_name("aqw")), "demo"]
    with subprocess.Popen(command, env={**os.environ, **CLEAN, "AQW_HOME": str(tmp_path)}, stdin=theirs, stdout=theirs, stderr=theirs) as walk:
        seen = b""
        while b": end" not in seen: seen += os.read(mine, 1000)
        os.write(mine, b"q\n")
        assert walk.wait(PATIENCE) == 0 and b"Live data" in seen and b"1 of 6" not in seen
    assert not (tmp_path / "demo/data/sandbox/store").exists()
