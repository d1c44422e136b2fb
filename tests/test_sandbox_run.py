"The whole flow on a simulated city, as somebody without key and files meets it."
import json
import re
import shlex
from datetime import timedelta

import nbformat
import pytest
from conftest import aqw, run_here

from aq_workbench.commands.source import base_url
from aq_workbench.core import Missing, Settings, utc
from aq_workbench.store import FeatureStore, sync_city
from aq_workbench.training import train_city

AT = {"AQW_NOW": "2026-01-15T10:30Z", "OPENAQ_API_KEY": ""}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    "A home with 60 days of Delhi, which are too few, and an hour of Agra, which is newer; and the command that helps."
    home = tmp_path_factory.mktemp("simulated")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AT.items(): patch.setenv(name, value)
        settings = Settings(home=home, source="sandbox")
        sync_city("Delhi", settings=settings, days=60)
        store = FeatureStore(settings)
        last = store.get_latest_features(n=20)
        newer = last.assign(city="Agra", location="Taj Ganj", event_ts=last["event_ts"] + timedelta(hours=1), sensor_id="agra-" + last["sensor_id"], location_id="agra-" + last["location_id"])
        store.save_features(newer.drop(columns=["available_ts", "created_ts", "batch_id"]))
        with pytest.raises(Missing, match="too little to learn from") as error: train_city("Delhi", settings=settings)
    return home, re.search("aqw (run .*)", error.value.do)[1]


@pytest.fixture(scope="module")
def simulated(begun):
    "The same home after that command's run."
    home, (_, _, city, option, days) = begun[0], shlex.split(begun[1])
    assert (begun[1].split()[0], option) == ("run", "--days")
    with pytest.MonkeyPatch.context() as patch, base_url("sandbox", [city], days=int(days)) as url:
        for name, value in AT.items(): patch.setenv(name, value)
        run_here(city, home=home, source="sandbox", url=url, days=int(days), report=True)
    return home


def results(home): return json.loads(sorted(home.glob("reports/runs/*/results.json"))[-1].read_text(encoding="utf-8"))


def test_results_say_where_their_data_come_from(simulated):
    delhi = results(simulated)["cities"]["Delhi"]
    assert results(simulated)["simulated"] and delhi["sources"] == ["sandbox"] and delhi["models"]["pm25_regressor-delhi"] == 1


def test_a_longer_history_brings_what_was_missing(begun, simulated):
    "The days that the error named are enough; only what lies before the 60 days is new, as history."
    home, command = begun
    days, delhi = int(command.rsplit(" ", 1)[1]), results(home)["cities"]["Delhi"]
    rows = FeatureStore(Settings(home=home, source="sandbox")).load_features()
    rows = rows[rows["city"] == "Delhi"]
    began = utc(AT["AQW_NOW"]) - timedelta(days=60)
    assert days > 60 and rows["event_ts"].min() <= utc(AT["AQW_NOW"]) - timedelta(days=days - 1)
    assert delhi["added"] == (rows["event_ts"] <= began).sum() and delhi["corrected"] == 0
    assert (rows["available_ts"] - rows["event_ts"] == timedelta(hours=1)).all(), "no hour of it is late"


def test_every_notebook_speaks_of_its_city(simulated):
    "The store's newest rows are another city's."
    home = simulated
    assert set(FeatureStore(Settings(home=home, source="sandbox")).get_latest_features(n=5)["city"]) == {"Agra"}
    executed = {p.stem: nbformat.read(p, as_version=4) for p in home.glob("reports/runs/*/**/*.ipynb")}
    shown = {name: json.dumps([c.get("outputs", []) for c in nb.cells]) for name, nb in executed.items()}
    assert sorted(shown) == ["1_ingest", "2_train", "3_forecast", "4_monitor", "5_report"]
    assert not [name for name, text in shown.items() if "Agra" in text or "agra-" in text or "Taj Ganj" in text]
    assert re.search(r"Delhi \d \(simulated\)", shown["1_ingest"])


def test_simulated_data_have_a_root_of_their_own_and_are_marked(simulated):
    home = simulated
    assert (home / "data/sandbox/store").exists() and not (home / "data/files/store").exists()
    report = next(home.glob("reports/runs/*/report"))
    assert "SIMULATED" in "".join(p.read_text(encoding="utf-8") for p in report.glob("*.tex"))


def test_commands_follow_the_newest_run(simulated):
    shown = aqw("status", home=simulated, **AT)
    assert "data/sandbox" in shown.stdout and "live_measurements" in shown.stdout, shown.stderr


def test_the_same_hour_again_adds_nothing(simulated, monkeypatch):
    for name, value in AT.items(): monkeypatch.setenv(name, value)
    with base_url("sandbox", ["Delhi"], days=80) as url: run_here("Delhi", home=simulated, source="sandbox", stages=("fetch",), url=url, days=80)
    assert results(simulated)["cities"]["Delhi"]["added"] == 0


@pytest.mark.soak
def test_two_cities_of_a_run_stay_apart(tmp_path):
    "Each executed notebook of two real runs names no station of the other."
    done = aqw("run", "--cities", "Delhi,London", "--days", "100", home=tmp_path, **AT)
    again = aqw("run", "--cities", "Delhi,London", "--days", "100", home=tmp_path, **AT)
    assert done.returncode == again.returncode == 0, done.stderr + again.stderr
    for path in tmp_path.glob("reports/runs/*/*/*.ipynb"):
        mine, other = ("Delhi", "London") if path.parent.name == "delhi" else ("London", "Delhi")
        shown = json.dumps([c.get("outputs", []) for c in nbformat.read(path, as_version=4).cells])
        assert other not in shown and other.lower() not in shown, path
        assert mine in shown or mine.lower() in shown or path.stem == "3_forecast", path
