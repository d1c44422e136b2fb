"What a person asks at the command line, in a process of its own: a forecast, an export, a city."
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from conftest import aqw, aqw_process

from aq_workbench.aqi import known_standards
from aq_workbench.core import check_readings, Settings, utc
from aq_workbench.store import FeatureStore

CATEGORIES = known_standards()["us_epa_2024"].categories


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "Two days of hours and one forecast of a Delhi without a model."
    home, end = tmp_path_factory.mktemp("home"), utc("2026-03-10T12:00Z")
    store = FeatureStore(Settings(home=home, source="files"))
    ts = pl.datetime_range(utc("2026-03-08T13:00Z"), end, "1h", eager=True, time_unit="us")
    store.write(check_readings(pl.DataFrame({"event_ts": ts, "value": [float(20 + i) for i in range(len(ts))]}).with_columns(
        city=pl.lit("Delhi"), location_id=pl.lit("1"), location=pl.lit("東四 Road"), parameter=pl.lit("pm25"), licence=pl.lit("CC BY 4.0 (Made Agency)"), source=pl.lit("file:made"))))
    store.write(pl.DataFrame([{"issued_at": end, "location_id": "1", "horizon_h": h, "target_ts": utc(f"2026-03-1{day}T{hour:02}:00Z"), "mean": 60., "lo90": 30., "hi90": 90., "category": CATEGORIES[3], "p_category": .7}
                              for h, day, hour in ((1, 0, 13), (6, 0, 18), (24, 1, 12))]).with_columns(event_ts="target_ts", city=pl.lit("Delhi"), model=pl.lit("m"), version=pl.lit(1), parameter=pl.lit("pm25")), "forecasts")
    return home


def test_a_forecast_is_plain_text_in_a_pipe(home):
    done = aqw("forecast", "delhi", home=home, COLUMNS="80", AQW_NOW="2026-03-10T12:30Z")
    assert done.returncode == 1, "it could not be brought up to date: there is no model"
    assert "Issued Tue 10 March 2026, 17:30 in Delhi (12:00 UTC), 30 min old" in done.stdout and "Not up to date: no model of 'Delhi'" in done.stdout and "aqw train --cities Delhi" in done.stdout
    assert "\x1b" not in done.stdout and "東四 Road" in done.stdout and "█" in done.stdout
    assert max(map(len, done.stdout[:done.stdout.index("Not up to date")].splitlines())) <= 80


def test_a_forecast_in_a_poor_encoding(home):
    done = aqw_process("forecast", "Delhi", home=home, COLUMNS="80", AQW_NOW="2026-03-10T12:30Z", PYTHONIOENCODING="ascii")
    assert "ug/m3" in done.stdout and "?? Road" in done.stdout and "Traceback" not in done.stderr, done.stderr


def test_an_unknown_city_and_an_empty_home(home, tmp_path):
    wrong, empty = aqw("forecast", "Dehli", home=home), aqw("forecast", "Delhi", home=tmp_path)
    assert wrong.returncode == empty.returncode == 1 and wrong.stdout == ""
    assert "has no city 'Dehli'; it has Delhi" in wrong.stderr and "did you mean Delhi?" in wrong.stderr
    assert "it has nothing yet" in empty.stderr and "aqw run --cities Delhi" in empty.stderr


def test_an_export_to_a_pipe_keeps_words_and_rows_apart(home):
    done = aqw("export", "readings", "--city", "Delhi", "--to", "-", home=home, AQW_NOW="")
    assert done.returncode == 0 and pl.read_csv(io.StringIO(done.stdout)).height == 48
    assert done.stderr.startswith("48 rows of readings, Delhi") and "CC BY 4.0 (Made Agency)" in done.stderr
    command = [str(Path(sys.executable).with_name("aqw")), "export", "readings", "--to", "-"]
    with subprocess.Popen(command, env={**os.environ, "AQW_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=home) as cut:
        cut.stdout.read(10)
        cut.stdout.close()
        assert b"bug" not in cut.stderr.read() and cut.wait() == 0


def test_an_export_lands_where_one_stands_and_is_never_written_over(home, tmp_path):
    run = lambda *more: subprocess.run([str(Path(sys.executable).with_name("aqw")), "export", "readings", "--start", "2026-03-10", *more], env={**os.environ, "AQW_HOME": str(home)}, cwd=tmp_path, capture_output=True, text=True)
    assert run().returncode == 0
    rows, sidecar = sorted(tmp_path.iterdir())
    assert rows.name == "delhi-readings-20260310-20260310.csv" and json.loads(sidecar.read_text(encoding="utf-8"))["rows"] == pl.read_csv(rows).height == 12
    again = run()
    assert again.returncode == 1 and "exist already" in again.stderr and "--force" in again.stderr and run("--force").returncode == 0
    refused = run("--to", "nowhere/x.csv")
    assert refused.returncode == 1 and "there is no folder" in refused.stderr and len(list(tmp_path.iterdir())) == 2


def test_cities(home):
    listed, found, wrong = aqw("cities", "list", home=home), aqw("cities", "search", "bombay", home=home), aqw("cities", "search", "Beijinng", home=home)
    assert listed.returncode == 0 and "2026-03-10 12:00" in listed.stdout
    assert "Mumbai (Bombay)" in found.stdout and "Asia/Kolkata" in found.stdout
    assert wrong.returncode == 1 and "did you mean Beijing" in wrong.stderr


def test_a_city_of_another_kind_is_named_with_its_kind(home):
    "No advice leads from measured hours to simulated ones under the same name."
    for words in (("train", "--cities", "Delhi"), ("monitor", "--cities", "Delhi"), ("drift", "Delhi"), ("quality", "Delhi"), ("export", "readings", "--city", "Delhi")):
        done = aqw(*words, "--source", "sandbox", home=home)
        assert done.returncode == 1
        assert "it is among the files data: add --source files" in done.stdout + done.stderr, words
        assert "aqw fetch" not in done.stdout + done.stderr
