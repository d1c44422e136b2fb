"The simulated cities against the figures of measured ones, on several seeds; the figures and their tolerances stand in benchmarks/sandbox_tolerances.py."
import runpy
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest
from conftest import ROOT

from aq_workbench.core import find_city, utc
from aq_workbench.sandbox import SANDBOX_CITIES
from aq_workbench.sandbox.network import observed
from aq_workbench.sandbox.world import issued_forecast, profile_of, stations_of, truth

BENCH = runpy.run_path(str(ROOT / "benchmarks/sandbox_tolerances.py"))


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 2))])
@pytest.mark.parametrize("city", SANDBOX_CITIES)
def test_a_city_is_within_its_tolerances(city, seed):
    found = BENCH["table"](city, [seed])
    beyond = found[~found.within]
    assert beyond.empty, f"{city}, seed {seed}:\n{beyond.round(3).to_string()}"


def test_a_tolerance_can_fail():
    within = BENCH["within"]
    assert within(.4, .33, "abs", .08) and not within(.4, .31, "abs", .08)
    assert within(20, 22, "rel", .15) and not within(20, 24, "rel", .15)
    assert within(23, 0, "clock", 1) and not within(8, 10, "clock", 1)
    assert within(5, 6, "above", 0) and not within(5, 6, "below", 0)


def test_delhi_repeats_its_days_and_beijing_does_not():
    hourly = {c: BENCH["wide"](truth(c, "2015-01-01", "2017-01-01"), "UTC").pm25 for c in ("Delhi", "Beijing")}
    assert BENCH["acf"](hourly["Delhi"], 24) > BENCH["acf"](hourly["Delhi"], 12) + .05
    assert BENCH["acf"](hourly["Beijing"], 24) < BENCH["acf"](hourly["Beijing"], 18) < BENCH["acf"](hourly["Beijing"], 12)


def test_clean_air_comes_from_the_north_west():
    frame = truth("Beijing", "2014-01-01", "2017-01-01").with_columns(north_west=pl.col("wd").is_between(270, 360))
    city = frame.group_by("event_ts").agg(pl.col("pm25").log().mean(), pl.col("ws", "north_west", "dewp").mean()).sort("event_ts")
    fronts = city.filter(pl.col("pm25").diff(2) < -1.2, pl.col("pm25").shift(2) > 4)
    assert 15 < fronts.height < 300, "some in each year"
    assert fronts["north_west"].mean() > 1.5*city["north_west"].mean() and fronts["ws"].mean() > 1.2*city["ws"].mean()


def test_values_and_faults_do_not_depend_on_the_window():
    whole = truth("London", "2014-06-01", "2015-06-01", stations=5, seed=3)
    part = truth("London", "2014-11-17T05:00Z", "2015-01-03T11:00Z", stations=4, seed=3)
    again = whole.join(part.select("location_id", "event_ts"), on=["location_id", "event_ts"], how="semi")
    assert part.equals(again)
    rows, planted = observed(whole, city="London", seed=3)
    seen, few = observed(part, city="London", seed=3)
    assert seen.equals(rows.join(part.select("location_id", "event_ts"), on=["location_id", "event_ts"], how="semi"))
    assert few.join(planted, on=few.columns, how="anti", nulls_equal=True).is_empty()


def test_a_run_stuck_before_the_window_keeps_its_value():
    frame = truth("Beijing", "2014-01-01", "2015-01-01", stations=1)
    rows, planted = observed(frame, city="Beijing")
    stuck = planted.filter(pl.col("kind") == "stuck", pl.col("start") > utc("2014-01-02")).row(0, named=True)
    late = observed(frame.filter(pl.col("event_ts") > stuck["start"] + timedelta(hours=2)), city="Beijing")[0]
    mine = pl.col("sensor_id") == stuck["sensor_id"], pl.col("event_ts").is_between(stuck["start"] + timedelta(hours=3), stuck["end"])
    assert late.filter(*mine).equals(rows.filter(*mine)) and rows.filter(*mine, pl.col("value") != -999)["value"].n_unique() == 1


def test_what_is_planted_is_there_and_the_rest_is_the_truth():
    frame = truth("Delhi", "2015-01-01", "2016-03-01")
    rows, planted = observed(frame, city="Delhi")
    for spell in planted.filter(pl.col("kind") == "gap").head(50).iter_rows(named=True):
        assert rows.filter(pl.col("sensor_id") == spell["sensor_id"], pl.col("event_ts").is_between(spell["start"], spell["end"])).is_empty()
    dead = planted.filter(pl.col("kind") == "died").row(0, named=True)
    assert rows.filter(pl.col("location_id") == dead["location_id"], pl.col("event_ts").is_between(dead["start"], dead["end"])).is_empty()
    told = rows.filter(pl.col("parameter") == "pm25", pl.col("value") > 4.5).join(frame.select("location_id", "event_ts", "pm25"), on=["location_id", "event_ts"])
    assert ((told["value"] - told["pm25"]).abs() < .051).mean() > .99


def test_forecasts_get_worse_with_the_lead():
    runs = pl.concat(issued_forecast("Beijing", utc("2015-03-01") + timedelta(hours=24*d)) for d in range(60))
    true = truth("Beijing", "2015-03-01", "2015-05-02").group_by("event_ts").agg(pl.col("temp").mean().alias("true"))
    error = runs.join(true, on="event_ts").with_columns(lead=(pl.col("event_ts") - pl.col("issued_at")).dt.total_hours())
    rmse = {h: error.filter(pl.col("lead") == h).select(((pl.col("temp") - pl.col("true"))**2).mean().sqrt()).item() for h in (1, 12, 24, 48)}
    assert rmse[1] < .6 < rmse[12] < rmse[24] < rmse[48] < 5


def test_any_city_can_be_simulated():
    frame = truth("Oslo", "2015-01-01", "2015-01-03", stations=50)
    assert frame.height == 50*48 and frame.select(pl.col("pm25", "o3", "ws").min()).min_horizontal().item() >= 0
    assert frame["location_id"].n_unique() == 50 == stations_of("Oslo", stations=50).height and profile_of("Oslo").borrowed


def test_six_years_of_four_stations_have_no_hole():
    frame = truth("Delhi", "2012-01-01", "2018-01-01", seed=77)
    assert frame.height == 4*24*2192 and frame.null_count().sum_horizontal().item() == 0


NEAR = {"temp": 2.2, "range": 2.3, "dewp": 2.5, "pres": 5}   # how far the mean of a month may lie from its normal over four years (K, hPa); wind by a quarter, a year's rain by 30 %
OTHERS = ("Sydney", "São Paulo", "Singapore")


@cache
def months_of(city):
    "Four years of a city by calendar month, January first: means, mean daily range and mm of rain; and the hours themselves."
    place = find_city(city)
    frame = truth(city, "2014-01-01", "2018-01-01", stations=1)
    local = (pl.col("event_ts") - timedelta(minutes=30)).dt.convert_time_zone(place.tz)
    hours = frame.with_columns(month=local.dt.month(), date=local.dt.date())
    days = hours.group_by("location_id", "date", "month").agg(range=pl.col("temp").max() - pl.col("temp").min())
    means = hours.group_by("month").agg(pl.col("temp", "dewp", "ws", "pres").mean(), precip=pl.col("precip").mean() * 730.5)
    return means.join(days.group_by("month").agg(pl.col("range").mean()), on="month").sort("month"), hours


@pytest.mark.parametrize("city", SANDBOX_CITIES + OTHERS)
def test_a_city_has_the_weather_of_its_place(city):
    months, hours = months_of(city)
    profile = profile_of(city)
    january = 6 if profile.city.lat < 0 else 0   # the tables begin at midwinter
    usual = {name: np.roll(row, -january) for name, row in profile.normals.items()}
    for name, by in NEAR.items():
        away = np.abs(months[name].to_numpy() - usual[name])
        assert away.max() <= by, f"{city}, {name}: {away.round(2).tolist()}"
    assert months["ws"].to_numpy() == pytest.approx(usual["ws"], rel=.25)
    assert months["precip"].sum() == pytest.approx(usual["precip"].sum(), rel=.3)
    assert hours["rh"].is_between(0, 100).all()
    assert (hours["dewp"] <= hours["temp"]).all()


def test_seasons_are_those_of_the_place():
    temp = {c: months_of(c)[0]["temp"].to_numpy() for c in ("Delhi", "London", "Sydney", "São Paulo", "Singapore")}
    assert 12 < temp["Delhi"][0] < 16 and 29 < temp["Delhi"][6] < 34
    assert 4 < temp["London"][0] < 8 and 17 < temp["London"][6] < 21
    for city in ("Sydney", "São Paulo"): assert temp[city][0] > temp[city][6] + 5, "January is summer"
    assert np.ptp(temp["Singapore"]) < 2.5


def test_delhi_has_a_monsoon_and_a_calm_winter():
    months = months_of("Delhi")[0]
    rain, wind = months["precip"].to_numpy(), months["ws"].to_numpy()
    assert rain[6:9].sum() > .6 * rain.sum()
    assert wind[[10, 11, 0]].mean() < .7 * wind[3:6].mean()
