"Indices against the standards' own tables, typed here a second time, and what must hold whatever the air is like."
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from math import isnan, nan

import numpy as np
import polars as pl
import pytest
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aq_workbench.aqi import add_aqi, air_quality_index, BASES, hour_band, known_standards, nowcast_of, SCORED_BY, sub_index
from aq_workbench.aqi.index import conversion
from aq_workbench.aqi.means import working_unit
from aq_workbench.aqi.rows import POLLUTED
from aq_workbench.core import utc
from aq_workbench.models.classifier import AqiClassifier, category_of, joint_classes, summed
from aq_workbench.models.examples import made_frame

CALM = dict(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
STANDARDS = list(known_standards())

# The tables, from the sheet of the standards: parameter, hours -> unit, upper bounds of the rows.
# US EPA 2024 (EPA-454/B-24-002), India CPCB 2014 (Table 3.11), China HJ 633-2012 and -2026, EU 2025 (ETC HE 2024/17), UK (COMEAP 2011).
US_INDEX = [(0, 50), (51, 100), (101, 150), (151, 200), (201, 300), (301, 500)]
US = {("pm25", 24): ("µg/m³", "9.0 35.4 55.4 125.4 225.4 325.4", 1), ("pm10", 24): ("µg/m³", "54 154 254 354 424 604", 0),
      ("o3", 8): ("ppm", "0.054 0.070 0.085 0.105 0.200", 3), ("o3", 1): ("ppm", "0.164 0.204 0.404 0.604", 3),
      ("co", 8): ("ppm", "4.4 9.4 12.4 15.4 30.4 50.4", 1), ("so2", 1): ("ppb", "35 75 185 304", 0), ("so2", 24): ("ppb", "604 1004", 0),
      ("no2", 1): ("ppb", "53 100 360 649 1249 2049", 0)}
INDIA_INDEX = [0, 50, 100, 200, 300, 400]
INDIA = {("pm25", 24): ("µg/m³", "30 60 90 120 250"), ("pm10", 24): ("µg/m³", "50 100 250 350 430"), ("no2", 24): ("µg/m³", "40 80 180 280 400"),
         ("o3", 8): ("µg/m³", "50 100 168 208"), ("o3", 1): ("µg/m³", "748"), ("co", 8): ("mg/m³", "1.0 2.0 10 17 34"),
         ("so2", 24): ("µg/m³", "40 80 380 800 1600"), ("nh3", 24): ("µg/m³", "200 400 800 1200 1800")}
CHINA_INDEX = [0, 50, 100, 150, 200, 300, 400, 500]
CHINA_GASES = {("so2", 24): ("µg/m³", "50 150 475 800 1600 2100 2620", 0), ("so2", 1): ("µg/m³", "150 500 650 800", 0),
               ("no2", 24): ("µg/m³", "40 80 180 280 565 750 940", 0), ("no2", 1): ("µg/m³", "100 200 700 1200 2340 3090 3840", 0),
               ("co", 24): ("mg/m³", "2 4 14 24 36 48 60", 1), ("co", 1): ("mg/m³", "5 10 35 60 90 120 150", 1),
               ("o3", 8): ("µg/m³", "100 160 215 265 800", 0), ("o3", 1): ("µg/m³", "160 200 300 400 800 1000 1200", 0)}
CHINA = {"cn_hj633_2012": {**CHINA_GASES, ("pm25", 24): ("µg/m³", "35 75 115 150 250 350 500", 0), ("pm10", 24): ("µg/m³", "50 150 250 350 420 500 600", 0)},
         "cn_hj633_2026": {**CHINA_GASES, ("pm25", 24): ("µg/m³", "35 60 115 150 250 350 500", 0), ("pm10", 24): ("µg/m³", "50 120 250 350 420 500 600", 0)}}
EU = {("pm25", 1): ("µg/m³", "5 15 50 90 140"), ("pm10", 1): ("µg/m³", "15 45 120 195 270"), ("o3", 1): ("µg/m³", "60 100 120 160 180"),
      ("no2", 1): ("µg/m³", "10 25 60 100 150"), ("so2", 1): ("µg/m³", "20 40 125 190 275")}
UK = {("pm25", 24): ("µg/m³", "11 23 35 41 47 53 58 64 70"), ("pm10", 24): ("µg/m³", "16 33 50 58 66 75 83 91 100"),
      ("no2", 1): ("µg/m³", "67 134 200 267 334 400 467 534 600"), ("o3", 8): ("µg/m³", "33 66 100 120 140 160 187 213 240"),
      ("so2", .25): ("µg/m³", "88 177 266 354 443 532 710 887 1064")}
TABLES = {"us_epa_2024": US, "in_cpcb_2014": INDIA, **CHINA, "eu_eaqi_2025": EU, "uk_daqi_2013": UK}
EACH_TABLE = [(id, *key) for id, tables in TABLES.items() for key in tables]


def bounds_of(id, parameter, hours): return [Decimal(word) for word in TABLES[id][parameter, hours][1].split()]
def rounded(value, decimals, mode): return value.quantize(Decimal(1).scaleb(-decimals), mode)
def on_line(c, low, high, i_low, i_high): return Decimal(i_low) + Decimal(i_high - i_low) * (c - low) / (high - low)


def us_index(c, parameter, hours):
    bounds, decimals = bounds_of("us_epa_2024", parameter, hours), US[parameter, hours][2]
    c, step = rounded(c, decimals, ROUND_DOWN), Decimal(1).scaleb(-decimals)
    first = {("o3", 1): 2, ("so2", 24): 4}.get((parameter, hours), 0)
    lowest = {("o3", 1): Decimal("0.125"), ("so2", 24): Decimal(305)}.get((parameter, hours), Decimal(0))
    if c < lowest or (parameter, hours) == ("o3", 8) and c > bounds[-1]: return None, None
    if (parameter, hours) == ("so2", 1) and c > bounds[-1]: return 200, 3
    row = min(sum(c > b for b in bounds), len(bounds) - 1)
    low = lowest if row == 0 else bounds[row - 1] + step
    return int(rounded(on_line(c, low, bounds[row], *US_INDEX[first + row]), 0, ROUND_HALF_UP)), first + row


def india_index(c, parameter, hours):
    bounds = bounds_of("in_cpcb_2014", parameter, hours)
    if (parameter, hours) == ("o3", 1):
        if c < 208: return None, None
        ends, index = [Decimal(208), *bounds], [300, 400]
    else: ends, index = [Decimal(0), *bounds], INDIA_INDEX[:len(bounds) + 1]
    first = INDIA_INDEX.index(index[1]) - 1
    row = sum(c > b for b in bounds)
    if row == len(bounds):   # above the table: ozone of 8 h stays at its end, others go on as steeply as the row before
        if (parameter, hours) == ("o3", 8): return 300, 3
        return min(500, int(rounded(on_line(c, ends[-2], ends[-1], index[-2], index[-1]), 0, ROUND_HALF_UP))), 5
    return int(rounded(on_line(c, ends[row], ends[row + 1], index[row], index[row + 1]), 0, ROUND_HALF_UP)), first + row


def china_index(id, c, parameter, hours):
    bounds, c = bounds_of(id, parameter, hours), rounded(c, TABLES[id][parameter, hours][2], ROUND_HALF_EVEN)
    if c > bounds[-1]:
        if len(bounds) == 7: return 500, 5
        return (CHINA_INDEX[len(bounds)], len(bounds) - 1) if id == "cn_hj633_2026" else (None, None)
    row, ends = sum(c > b for b in bounds), [Decimal(0), *bounds]
    return int(rounded(on_line(c, ends[row], ends[row + 1], *CHINA_INDEX[row:row + 2]), 0, ROUND_CEILING)), min(row, 5)


def india_category(index): return None if index is None else sum(index > end for end in (50, 100, 200, 300, 400))


def by_the_sheet(id, c, parameter, hours):
    "Index and category (0: the cleanest) of an exact concentration in the table's unit; in India the category is that of the index."
    if id == "us_epa_2024": return us_index(c, parameter, hours)
    if id == "in_cpcb_2014": return (index := india_index(c, parameter, hours)[0]), india_category(index)
    if id.startswith("cn"): return china_index(id, c, parameter, hours)
    band = sum((rounded(c, 0, ROUND_HALF_UP) if id == "uk_daqi_2013" else c) > b for b in bounds_of(id, parameter, hours))
    return band + 1, band


def compare(id, parameter, hours, exact):
    "Ours against the sheet for exact concentrations."
    unit, s = TABLES[id][parameter, hours][0], known_standards()[id]
    got = sub_index([float(c) for c in exact], parameter, standard=id, hours=hours, unit=unit, temperature_c=s.rules["temperature_c"])
    wanted = [by_the_sheet(id, c, parameter, hours) for c in exact]
    wrong = [(str(c), w, g) for c, w, g in zip(exact, wanted, got.select("index", "band").rows()) if w != g]
    assert wrong == [], f"{id} {parameter} over {hours} h: concentration, sheet, ours"


@pytest.mark.parametrize("id, parameter, hours", EACH_TABLE)
def test_every_bound_and_its_neighbours_have_the_index_of_the_sheet(id, parameter, hours):
    steps = [Decimal(step) for step in ("0", "0.000001", "0.0004", "0.001", "0.01", "0.05", "0.1", "0.499999", "0.5", "0.500001", "1", "2")]
    near = {b + sign * step for b in [Decimal(0), *bounds_of(id, parameter, hours)] for step in steps for sign in (1, -1)}
    compare(id, parameter, hours, sorted(c for c in near if c >= 0))


@settings(max_examples=examples(200), **CALM)
@given(st.data())
def test_random_concentrations_have_the_index_of_the_sheet(data):
    id, parameter, hours = data.draw(st.sampled_from(EACH_TABLE))
    top = 2 * bounds_of(id, parameter, hours)[-1]
    exact = data.draw(st.lists(st.decimals(0, top, places=data.draw(st.integers(0, 6))), min_size=1, max_size=30))
    compare(id, parameter, hours, exact)


def test_the_sheet_has_every_table_of_these_standards():
    for id, tables in TABLES.items():
        ours = {(p, t["hours"]) for p, rule in known_standards()[id].rules["pollutants"].items() for t in rule["tables"]}
        assert ours == set(tables), id


def test_worked_examples_of_the_authorities():
    "Each with the address where the authority, or who quotes it, works it."
    index = lambda value, parameter, **how: sub_index([value], parameter, **how)["index"][0]
    # EPA's slides "Computing the NowCast": 50 80 75 … 16 13 is 17.4 µg/m³. https://cdn.slideserve.com/brina/computing-the-nowcast
    assert round(nowcast_of([50., 80, 75, 90, 82, 53, 64, 74, 21, 10, 16, 13])[-1], 1) == 17.4
    # AirNow: raw hours are averaged, the NowCast is truncated, two of three hours must be there. https://forum.airnowtech.org/t/172
    assert index(9.0999, "pm25") == 50
    # CPCB: the sub-index of PM2.5 is 51 at 31, 75 at 45, 100 at 60 µg/m³.
    # http://admin.indiaenvironmentportal.org.in/reports-documents/national-air-quality-index-85-cities-168-locations-october-2015
    assert [index(v, "pm25", standard="in_cpcb_2014", reading="banded") for v in (31., 45., 60.)] == [51, 75, 100]
    assert [index(v, "pm25", standard="in_cpcb_2014") for v in (45., 60.)] == [75, 100]
    # China, 2012: 35 is 50, 75 is 100, 500 is 500, and no higher whatever the air. https://max.book118.com/html/2022/0628/6110045204004203.shtm
    assert [index(v, "pm25", standard="cn_hj633_2012") for v in (35., 75., 500., 900.)] == [50, 100, 500, 500]
    # Defra: NO2 of 67 is 1, 68 is 2, 600 is 9, 601 is 10. https://uk-air.defra.gov.uk/air-pollution/daqi?pollutant=no2&view=more-info
    assert [index(v, "no2", standard="uk_daqi_2013", temperature_c=20) for v in (67., 68., 600., 601.)] == [1, 2, 9, 10]


@settings(max_examples=examples(100), **CALM)
@given(st.data())
def test_no_value_falls_between_bands_and_no_index_falls(data):
    s = known_standards()[data.draw(st.sampled_from(STANDARDS))]
    parameter = data.draw(st.sampled_from(s.parameters))
    table = data.draw(st.sampled_from(s.rules["pollutants"][parameter]["tables"]))
    how = dict(standard=s, unit=table["unit"], temperature_c=s.rules["temperature_c"])
    values = sorted(data.draw(st.lists(st.floats(0, 3 * table["upper"][-1]), min_size=2, max_size=40)))
    got = sub_index(values, parameter, hours=table["hours"], **how)
    assert got["index"].drop_nulls().is_sorted()
    assert got["band"].drop_nulls().is_sorted()
    if not {"lower", "beyond"} & set(table): assert got["band"].null_count() == 0
    bands = hour_band(values, parameter, **how)
    assert bands.min() >= 0
    assert (np.diff(bands) >= 0).all()


def readings(values, start="2026-06-01T01:00Z", **keys):
    "One station's hours of a parameter, by their ends; None is an hour that is missing."
    ends = [utc(start) + timedelta(hours=i) for i in range(len(values))]
    rows = pl.DataFrame({"location_id": "a", "parameter": "pm25", "event_ts": ends, "value": values}, schema_overrides={"value": pl.Float64})
    return rows.with_columns(**{k: pl.lit(v) for k, v in {"tz": "UTC", **keys}.items()}).drop_nulls("value")


@pytest.mark.parametrize("id", STANDARDS)
def test_no_index_of_a_day_falls_across_the_joints_of_tables(id):
    "Days of steady air, station by station a little worse; ozone of 8 h and 1 h, SO2 of 1 h and 24 h meet in one index."
    s, parts = known_standards()[id], []
    for parameter in [p for p in POLLUTED if p in s.parameters and s.rules["pollutants"][p]["day"] != "max_quarter_hour"]:
        to_mass = 1 / conversion(parameter, "µg/m³", working_unit(s, parameter))
        uppers = [b * conversion(parameter, t["unit"], working_unit(s, parameter)) for t in s.rules["pollutants"][parameter]["tables"]
                  for b in [t.get("lower", 0), *t["upper"]]]
        levels = sorted({max(b * k, 0) for b in uppers for k in (1, 1 + 1e-7, 1.02, 1.3)})
        for i, level in enumerate(levels):
            station = f"{parameter} {i:03}"
            parts.append(readings([level * to_mass] * 72, location_id=station, parameter=parameter))
            others = [p for p in ("pm25", "no2", "so2") if p != parameter] if s.rules["least_pollutants"] > 1 else []
            parts += [readings([0.] * 72, location_id=station, parameter=p) for p in others]
    got = air_quality_index(pl.concat(parts), s).sort("location_id")
    of_day = got.filter(day=date(2026, 6, 2)).with_columns(parameter=pl.col("location_id").str.split(" ").list.first())
    for (parameter,), rows in of_day.group_by("parameter"):
        assert rows["index"].null_count() == 0, f"{id} {parameter}: {rows.filter(pl.col('index').is_null())['reason'].to_list()[:1]}"
        assert rows["index"].is_sorted(), f"{id} {parameter}: {rows['index'].to_list()}"
        assert rows["band"].is_sorted(), f"{id} {parameter}"


@pytest.mark.parametrize("id", STANDARDS)
def test_a_gas_has_the_same_index_at_every_bound_in_every_unit(id):
    s = known_standards()[id]
    for parameter in [p for p in s.parameters if not p.startswith("pm") and p != "nh3"]:
        for table in s.rules["pollutants"][parameter]["tables"]:
            how = dict(standard=s, hours=table["hours"], temperature_c=25.)
            own = np.array(table["upper"]) * conversion(parameter, table["unit"], table["unit"], temperature_c=s.rules["temperature_c"],
                                                       to_temperature_c=25.)
            direct = sub_index(own, parameter, unit=table["unit"], **how)["index"]
            for unit in ("ppb", "ppm", "µg/m³", "mg/m³"):
                there = own * conversion(parameter, table["unit"], unit)
                assert sub_index(there, parameter, unit=unit, **how)["index"].equals(direct), (id, parameter, unit)


def slowly(values, i):
    "The NowCast of hour i by the words of the rule."
    there = [(k, max(values[i - k], 0)) for k in range(12) if i - k >= 0 and not isnan(values[i - k])]
    if sum(k < 3 for k, _ in there) < 2: return nan
    high, low = max(v for _, v in there), min(v for _, v in there)
    w = max(1 - (high - low) / high, .5) if high else 1
    return sum(v * w**k for k, v in there) / sum(w**k for k, _ in there)


@settings(max_examples=examples(150), **CALM)
@given(st.one_of(st.lists(st.one_of(st.just(nan), st.floats(-10, 1000), st.sampled_from([0., 5., 5.])), min_size=1, max_size=40),
                 st.lists(st.one_of(st.just(nan), st.floats(50, 90)), min_size=1, max_size=40)))   # steady air: weights between one half and one
def test_the_nowcast_is_what_its_words_say(values):
    np.testing.assert_allclose(nowcast_of(values), [slowly(values, i) for i in range(len(values))], rtol=1e-9, atol=1e-9)


def city(seed, hours=40):
    "Hours of all pollutants at three stations, with gaps."
    rng, parts = np.random.default_rng(seed), []
    for station in "ab":
        for parameter in POLLUTED:
            level = rng.gamma(2, {"co": 400, "o3": 60}.get(parameter, 25), hours)
            parts.append(readings([None if rng.random() < .1 else float(v) for v in level], location_id=station, parameter=parameter))
    return pl.concat(parts)


@pytest.mark.parametrize("family", ["us", "in", "cn", "eu", "uk", "who"])
def test_the_order_of_rows_does_not_matter(family):
    rows = city(seed=3)
    mixed = rows.sample(fraction=1, shuffle=True, seed=7)
    for basis, of in (("day", "stations"), ("day", "city"), ("now", "city"), ("hour", "stations")):
        first, second = (air_quality_index(r, family, basis=basis, of=of) for r in (rows, mixed))
        assert first.equals(second), (basis, of)


def test_summer_time_moves_no_day_of_the_epa():
    "In July a day of New York begins at 05:00 UTC as it does in January, and the day in March when clocks go forward has 24 hours."
    for first in ("2026-07-10", "2026-03-08", "2026-01-10"):
        begins = utc(f"{first}T05:00Z")
        values = [5.] * 24 + [40.] * 24 + [5.] * 24
        rows = readings(values, start=(begins - timedelta(hours=23)).isoformat(), tz="America/New_York")
        got = air_quality_index(rows, "us")
        assert got["day"].to_list()[1] == date.fromisoformat(first)
        assert got["index"].to_list() == [28, 112, 28]


@pytest.mark.parametrize("family, tz, midnight, clean, foul", [("in", "Asia/Kolkata", "18:30", 8, 67), ("cn", "Asia/Urumqi", "16:00", 8, 60),
                                                              ("uk", "Europe/London", "00:00", 1, 4), ("cn", None, "16:00", 8, 60)])
def test_a_day_is_that_of_the_standards_own_clock(family, tz, midnight, clean, foul):
    begins = utc(f"2026-07-09T{midnight}Z")
    if midnight == "00:00": begins += timedelta(days=1)
    values = [5.] * 24 + [40.] * 24 + [5.] * 24
    parts = [readings(values, start=(begins - timedelta(hours=23)).isoformat(), tz=tz, parameter="pm25")]
    if family == "in": parts += [readings([1.] * 72, start=(begins - timedelta(hours=23)).isoformat(), tz=tz, parameter=p) for p in ("no2", "so2")]
    got = air_quality_index(pl.concat(parts), family)
    assert got["day"].to_list() == [date(2026, 7, 9), date(2026, 7, 10), date(2026, 7, 11)]
    sheet = {"in": "in_cpcb_2014", "cn": "cn_hj633_2026", "uk": "uk_daqi_2013"}[family]
    wanted = [by_the_sheet(sheet, Decimal(v), "pm25", 24)[0] for v in (5, 40, 5)]
    assert got["index"].to_list() == wanted
    assert wanted == [clean, foul, clean]


@pytest.mark.parametrize("family, least", [("us", 18), ("cn", 20), ("in", 16), ("uk", 18), ("who", 18)])
def test_a_day_needs_its_hours(family, least):
    for n, there in ((least - 1, False), (least, True)):
        parts = [readings([20.] * n, parameter=p) for p in ("pm25", "no2", "so2")]
        if family == "cn": parts = [p.with_columns(pl.col("event_ts").dt.offset_by("-8h")) for p in parts]
        got = air_quality_index(pl.concat(parts if family == "in" else parts[:1]), family)
        assert got.height == 1
        assert (got["index"][0] is not None) == there, (family, n)
        if not there: assert f"pm25: {n} of {least} hours" in got["reason"][0]


def test_a_last_hour_just_below_zero_is_clean_air():
    for before in (-.4, 3.):
        rows = readings([before] * 23 + [-.4])
        for basis in ("hour", "now"):
            last = air_quality_index(rows, "us", basis=basis).sort("event_ts").row(-1, named=True)
            assert last["event_ts"] == rows["event_ts"].max()
            assert last["category"] == "Good", basis


@pytest.mark.parametrize("value, reason", [(-10.01, "below -10 µg/m³"), (nan, "missing"), (None, "missing"), (float("inf"), "infinite"),
                                           (float("-inf"), "infinite"), ("12", "text, not a number"), (1e9, "above 1e+07 µg/m³")])
def test_what_is_no_concentration_has_no_index_and_says_why(value, reason):
    for id in STANDARDS:
        got = sub_index([value, 5.], "pm25", standard=id).row(0, named=True)
        assert got == {"concentration": None, "index": None, "band": None, "reason": reason}
    assert hour_band([value, 5.])[0] == -1
    beside = add_aqi(pl.DataFrame({"parameter": "pm25", "value": [value], "unit": "µg/m³", "period_min": 1440}))
    assert beside["aqi"].to_list() == [None]
    assert beside["aqi_reason"].to_list() == [reason]


def test_a_value_without_a_unit_has_no_index():
    assert sub_index([12.], "pm25", unit=None)["reason"].to_list() == ["no unit"]
    assert hour_band([12.], unit=None).tolist() == [-1]
    rows = add_aqi(pl.DataFrame({"parameter": "pm25", "value": [12., 12.], "unit": [None, "µg/m³"], "hours": 24}), hours=24)
    assert rows["aqi"].to_list() == [None, 56]
    assert rows["aqi_reason"].to_list() == ["no unit", ""]


@pytest.mark.parametrize("id", STANDARDS)
def test_single_hours_carry_no_number_and_the_bases_have_names_of_their_own(id):
    rows, labels = city(seed=4, hours=30), set()
    for basis in BASES:
        got = air_quality_index(rows, id, basis=basis)
        labels |= set(got["label"].unique())
        if basis == "hour":
            assert got["index"].null_count() == got.height
            assert got["band"].null_count() < got.height
    assert len(labels) == 3


@pytest.mark.parametrize("id", STANDARDS)
def test_categories_of_two_standards_agree_where_bounds_coincide(id):
    "The sum over the classes up to a concentration that is a bound of both is the same in both."
    classes, rng = joint_classes(id), np.random.default_rng(2)
    proba = rng.dirichlet(np.ones(len(classes)), size=50)
    scored, own = summed(proba, classes, 0), summed(proba, classes, 1)
    assert np.allclose(scored.sum(axis=1), 1)
    assert np.allclose(own.sum(axis=1), 1)
    common = [(a, b) for (a, b), (c, d) in zip(classes, classes[1:]) if c > a and d > b]
    for a, b in common: assert np.allclose(scored[:, :a + 1].sum(axis=1), own[:, :b + 1].sum(axis=1))
    if id in ("us_epa_2015", "uk_daqi_2013"): assert common, "35.5 µg/m³ parts categories of both"


def test_a_fitted_classifier_says_the_same_by_both_of_its_standards():
    "The UK's index 4 begins where the EPA's third category does, at 35.5 µg/m³."
    frame = made_frame(days=64, stations=("pier",))
    model = AqiClassifier(horizons=[1], standard="uk_daqi_2013").fit(frame)
    own, scored = model.predict_proba(frame.head(200), 1), model.predict_proba(frame.head(200), 1, SCORED_BY)
    known = ~np.isnan(own[:, 0])
    assert known.sum() > 100
    assert np.allclose(own[known].sum(axis=1), 1)
    assert np.allclose(scored[known].sum(axis=1), 1)
    assert (category_of([35.49], "uk_daqi_2013")[0], category_of([35.49])[0]) == (2, 1)
    assert np.allclose(own[known, :3].sum(axis=1), scored[known, :2].sum(axis=1))
