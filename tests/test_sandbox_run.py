"The whole flow on a simulated city, as somebody without key and files meets it."
import json

import pytest
from conftest import aqw

AT = {"AQW_NOW": "2026-01-15T10:30Z", "OPENAQ_API_KEY": ""}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    "A home in which a simulated Delhi has run, and what was printed."
    home = tmp_path_factory.mktemp("simulated")
    return home, aqw("run", "--cities", "Delhi", "--days", "100", home=home, **AT)


def results(home): return json.loads(sorted(home.glob("reports/runs/*/results.json"))[-1].read_text(encoding="utf-8"))


def test_run_says_where_its_data_come_from(simulated):
    home, done = simulated
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED cities (no OPENAQ_API_KEY is set" in done.stdout
    delhi = results(home)["cities"]["Delhi"]
    assert results(home)["simulated"] and delhi["sources"] == ["sandbox"] and delhi["models"]["pm25_regressor-delhi"] == 1


def test_simulated_data_have_a_root_of_their_own_and_are_marked(simulated):
    home, _ = simulated
    assert (home / "data/sandbox/store").exists() and not (home / "data/files/store").exists()
    report = next(home.glob("reports/runs/*/report"))
    assert "SIMULATED" in "".join(p.read_text(encoding="utf-8") for p in report.glob("*.tex"))


def test_commands_follow_the_newest_run(simulated):
    shown = aqw("status", home=simulated[0], **AT)
    assert "data/sandbox" in shown.stdout and "live_measurements" in shown.stdout, shown.stderr


def test_the_same_hour_again_adds_nothing(simulated):
    again = aqw("fetch", "--cities", "Delhi", "--days", "100", home=simulated[0], **AT)
    assert again.returncode == 0 and results(simulated[0])["cities"]["Delhi"]["added"] == 0, again.stdout + again.stderr
