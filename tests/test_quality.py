"Quality rules: nothing looks ahead, smoke is not a fault, clean series stay clean, planted faults are found."
import json
import re
import sys
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from conftest import aqw, examples, ROOT, run_here
from hypothesis import given, settings, strategies as st

from aq_workbench.core import check_readings, Settings, utc
from aq_workbench.monitor import city_hours
from aq_workbench.quality import CONTEXT, judge_readings, RULEBOOK, RULES_VERSION, severity, used_readings
from aq_workbench.quality.catalog import GIVEN_RULES
from aq_workbench.registry import ModelRegistry
from aq_workbench.store import FeatureStore, used_rows

sys.path.insert(0, str(ROOT / "benchmarks"))
import quality as bench  # noqa: E402


def flags_of(judged, severity_name): return judged.filter(severity() == severity_name).height/judged.height


@pytest.fixture(scope="module")
def beijing(shared):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "MEASURED", shared)
        return bench.beijing()


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 790))
@settings(max_examples=examples(100), deadline=None, derandomize=True, database=None)
def test_what_comes_later_changes_no_flag(seed, cut):
    "Stations with zeros, runs, copies, gaps and rows out of order: judged up to an hour, and with all that follows."
    rng = np.random.default_rng(seed)
    hours = pl.datetime_range(pl.datetime(2026, 1, 1, time_zone="UTC"), pl.datetime(2026, 2, 3, time_zone="UTC"), "1h", eager=True)
    air = np.exp(3 + np.cumsum(rng.normal(0, .2, len(hours)))/3)
    frames = []
    for station in "abc":
        for parameter in ("pm25", "pm10", "no2"):
            values = np.round(air*rng.uniform(.5, 2) + rng.normal(0, 2, len(hours)), int(rng.integers(0, 2)))
            at, n = rng.integers(0, len(hours)), rng.integers(1, 60)
            values[at:at + n] = rng.choice([0, -999, values[at], 5000, values[0]])
            values[rng.random(len(hours)) < .02] *= 5
            frames.append(pl.DataFrame({"city": "X", "location_id": station, "parameter": parameter, "event_ts": hours, "value": values}))
    copied = frames[0].with_columns(location_id=pl.lit("d"), event_ts=pl.col("event_ts") + pl.duration(hours=int(rng.integers(0, 9))))
    rows = pl.concat([*frames, copied]).sample(fraction=.97, shuffle=True, seed=seed)
    readings = check_readings(rows)
    early = pl.col("event_ts") <= hours[cut - 1]
    whole = judge_readings(readings)
    assert judge_readings(readings.filter(early)).equals(whole.filter(early))
    assert judge_readings(whole).equals(whole)


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 2000))
@settings(max_examples=examples(25), deadline=None, derandomize=True, database=None)
def test_what_comes_later_changes_no_choice(seed, cut):
    "Monitors, sensors and second instruments that come and go: what is used up to an hour, and with all that follows."
    rng = np.random.default_rng(seed)
    hours = pl.datetime_range(pl.datetime(2026, 1, 1, time_zone="UTC"), pl.datetime(2026, 3, 31, time_zone="UTC"), "1h", eager=True)
    air, frames = np.exp(3 + np.cumsum(rng.normal(0, .2, len(hours))) / 9), []
    for i in range(6):
        first, last = np.sort(rng.integers(0, len(hours), 2))
        values = np.round(air * rng.uniform(.5, 2) + rng.normal(0, 2, len(hours)), 1)
        values[rng.integers(0, len(hours)):][:rng.integers(1, 90)] = rng.choice([0, 40, -999])
        frames.append(pl.DataFrame({"city": "X", "location_id": str(i // 2), "sensor_id": str(i), "parameter": "pm25", "event_ts": hours, "value": values,
                                    "is_monitor": rng.choice([True, False, None])}, schema_overrides={"is_monitor": pl.Boolean})[first:last])
    readings = check_readings(pl.concat(frames).sample(fraction=.9, shuffle=True, seed=seed))
    early = pl.col("event_ts") <= hours[cut]
    whole = used_readings(readings).rows
    assert used_readings(readings.filter(early)).rows.equals(whole.filter(early))
    assert not whole.select(pl.struct("location_id", "event_ts").is_duplicated().any()).item(), "one instrument an hour"


def test_a_window_with_its_context_is_used_as_the_whole(beijing):
    "Serving reads the last days; what it uses there is what a training would use."
    dongsi = beijing.filter(pl.col("location_id").is_in(["Dongsi", "Wanliu"]), pl.col("event_ts") > pl.datetime(2014, 1, 1, time_zone="UTC"))
    start = pl.datetime(2015, 2, 1, time_zone="UTC")
    after, context = pl.col("event_ts") > start, pl.col("event_ts") > start - pl.lit(CONTEXT)
    assert used_readings(dongsi.filter(context), where=after).rows.equals(used_readings(dongsi, where=after).rows)


@given(seed=st.integers(0, 2**32 - 1), days=st.integers(1, 150))
@settings(max_examples=examples(150), deadline=None, derandomize=True, database=None)
def test_a_sparse_window_with_its_context_is_used_as_the_whole(seed, days):
    "Dense, thinned, daily and interrupted series, monitors and second instruments: the last days by themselves, and of the whole history."
    rng = np.random.default_rng(seed)
    hours = pl.datetime_range(pl.datetime(2025, 1, 1, time_zone="UTC"), pl.datetime(2026, 2, 1, time_zone="UTC"), "1h", eager=True)
    air, frames = 2 + np.exp(2 + np.cumsum(rng.normal(0, .2, len(hours))) / 9), []
    for i in range(6):
        values = np.round(air * rng.uniform(1, 2) + rng.gamma(2, 1, len(hours)), int(rng.integers(0, 2)))
        for _ in range(3): values[rng.integers(0, len(hours)):][:rng.integers(1, 900)] = rng.choice([0, 3, 40, -999])
        values[rng.random(len(hours)) < .02] = 0
        there = rng.random(len(hours)) < rng.choice([1, .3, .15, .08, .03])
        if rng.random() < .4: there &= np.arange(len(hours)) % 24 == 0
        for _ in range(3): there[rng.integers(0, len(hours)):][:rng.integers(1, 2000)] = False
        frames.append(pl.DataFrame({"city": "X", "location_id": str(i // 2), "sensor_id": str(i), "parameter": "pm25", "event_ts": hours, "value": values,
                                    "is_monitor": rng.choice([True, False, None])}, schema_overrides={"is_monitor": pl.Boolean}).filter(pl.Series(there)))
    readings = check_readings(pl.concat(frames))
    start = hours[-1] - timedelta(days=days)
    after = pl.col("event_ts") > start
    window = readings.filter(pl.col("event_ts") > start - CONTEXT)
    assert used_readings(window, where=after).rows.equals(used_readings(readings, where=after).rows)


@pytest.mark.parametrize("city", bench.CITIES)
def test_clean_simulated_hours_do_not_fail(city):
    assert flags_of(judge_readings(bench.clean(city, 2)), "fail") <= .001


def test_smoke_is_not_a_fault(beijing):
    "Of the highest hundredth of hours of each station and pollutant at most one in a hundred fails."
    judged = judge_readings(beijing)
    for (parameter,), part in judged.partition_by("parameter", as_dict=True).items():
        highest = part.filter(pl.col("value") >= pl.col("value").quantile(.99).over("location_id"))
        assert flags_of(highest, "fail") <= .01, parameter


def test_planted_spikes_are_found(beijing):
    "By the rule, or by the range where they leave it."
    changed, planted = bench.with_spikes(beijing.filter(pl.col("parameter") == "pm25"), seed=5)
    judged = judge_readings(changed)
    found = pl.concat([bench.flagged(judged, rule) for rule in ("spike", "out_of_range")])
    assert bench.shared(planted, found) >= .95*planted.height


def test_a_dead_station_is_told_beside_a_living_one():
    rng = np.random.default_rng(0)
    hours = pl.datetime_range(pl.datetime(2026, 1, 1, time_zone="UTC"), pl.datetime(2026, 1, 20, time_zone="UTC"), "1h", eager=True)
    values = {"alive": np.round(rng.gamma(4, 16, len(hours)), 1), "dead": np.where(rng.random(len(hours)) < .98, 0, 1.)}
    rows = pl.concat([pl.DataFrame({"city": "X", "location_id": k, "parameter": "pm25", "event_ts": hours, "value": v}) for k, v in values.items()])
    judged = judge_readings(check_readings(rows))
    dead = bench.flagged(judged, "dead")
    assert set(dead["location_id"]) == {"dead"}
    assert dead.height == len(hours) - 47


def test_each_rule_says_what_to_do():
    unlimited = [*GIVEN_RULES, RULEBOOK["truncated"]]   # a page has many sizes: `checks.PAGE_ROWS`
    for rule in RULEBOOK.values(): assert rule.sentence and rule.todo and rule.source and (rule.limits or rule in unlimited), rule.name


@pytest.fixture(scope="module")
def half_dead(tmp_path_factory):
    "A home in which a city of two stations, one of them dead, was loaded, trained, forecast and watched."
    rng, hours, home = np.random.default_rng(0), 24 * 100, tmp_path_factory.mktemp("half_dead")
    level = np.zeros(hours)
    for i in range(1, hours): level[i] = .95 * level[i - 1] + rng.normal(0, .12)
    alive = np.round(58 * np.exp(level) * (1 + .3 * np.sin(np.arange(hours) / 24 * 2 * np.pi)), 1)
    dates = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1) + pl.duration(hours=hours - 1), "1h", eager=True).dt.to_string("%Y-%m-%d %H:%M")
    values = {"Alive": alive, "Dead": np.where(rng.random(hours) < .98, 0, 1.)}
    (home / "data_in").mkdir()
    pl.concat([pl.DataFrame({"date": dates, "site": k, "pm25": v}) for k, v in values.items()]).sort("date", "site").write_csv(home / "data_in/h.csv")
    (home / "mapping.yaml").write_text("city: Delhi\nlocation: Delhi\nsite: site\ntime: {column: date, stamp: start}\ncolumns:\n  pm25: {parameter: pm25, unit: µg/m³}\n")
    folder = run_here("Delhi", home=home, source="files", path=str(home / "data_in"), mapping=str(home / "mapping.yaml"))
    return alive.mean(), home, json.loads((folder / "results.json").read_text(encoding="utf-8"))["cities"]["Delhi"]


@pytest.mark.long
def test_a_dead_station_is_left_out_of_everything(half_dead):
    "Flagged, not learnt from, no forecast, and the city reads what the living one does."
    level, home, entry = half_dead
    store = FeatureStore(Settings(home=home, source="files"))
    used = used_rows(store, "Delhi")
    assert entry["left_out"]["left_out"] == {"dead": 24 * 100 - 47}, "before two days nobody can call it dead"
    assert used.rows.filter(location_id="delhi-dead").height == 47
    assert abs(city_hours(used.rows)["pm25"].mean() - level) < 1.5, "the city reads as the living station, not half of it"
    assert {f["location_id"] for f in entry["newest"]} == {"delhi-alive"}
    assert min(f["mean"] for f in entry["newest"]) > 5
    assert entry["rules"] == RULES_VERSION == store_tags(home)["rules"]
    score = next(s for s in entry["scores"] if s["model"] == "forecaster" and s["horizon_h"] == 1)
    tested = (utc(entry["test"]["end"]) - utc(entry["test"]["start"])) / timedelta(hours=1) + 1
    assert tested - 24 <= score["n"] <= tested, "scored at the living station alone"
    assert .9 * score["n"] <= score["n_unflagged"]
    told = aqw("forecast", "Delhi", "--source", "files", "--asof", "2024-04-09T00:00Z", home=home).stdout
    assert "at 1 of 2 stations" in told
    assert re.search(r"Dead +– +– +– +–", told)
    assert "72 of 144 readings left out (50 %): 72 dead" in told


def store_tags(home): return ModelRegistry(Settings(home=home, source="files")).champion("pm25_regressor", city="Delhi")["tags"]
