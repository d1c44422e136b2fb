"""What the rules of quality find and what they flag wrongly, and how long they take.

Simulated cities know their truth; on measured series faults are planted with a seed. The measured files are read from AQW_MEASURED (a folder with `beijing/` and `london/`, see its README); without it those tables are left out.
    AQW_MEASURED=/path/to/data python benchmarks/quality.py [--rows 5]     --rows: millions of rows to be timed
"""
import os
import resource
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from aq_workbench.core import check_readings, UNITS
from aq_workbench.quality import judge_readings, severity, used_readings
from aq_workbench.quality.catalog import RULEBOOK, WHOLE_RULES
from aq_workbench.quality.checks import clock, instruments_differ, shifted, skipped, skipped_hour, stale, truncated, unit, whole_findings
from aq_workbench.quality.series import SCALES
from aq_workbench.sandbox.network import observed
from aq_workbench.sandbox.world import truth

MEASURED = Path(os.environ.get("AQW_MEASURED", "nowhere"))
CITIES = ("Beijing", "Delhi", "London")
GASES = ["pm25", "pm10", "no2", "o3", "so2", "co"]
WINDOW = "2015-01-01", "2016-01-01"
KEY = ["location_id", "parameter", "event_ts"]


def flagged(judged, rule): return judged.filter(pl.col("flags").str.split(";").list.contains(rule))
def shared(a, b): return a.join(b.select(KEY).unique(), on=KEY, how="semi").height
def per_cent(part, of): return f"{100*part/of:6.2f} %" if of else "     – "


def long(frame, city, **units):
    "A frame with a column for each parameter as readings."
    rows = frame.unpivot(index=["location_id", "event_ts"], variable_name="parameter").drop_nulls("value")
    unit = pl.col("parameter").replace_strict({**UNITS, **units})
    return check_readings(rows.with_columns(city=pl.lit(city), unit=unit))


def beijing():
    "Eight stations, three years, hours by their ends."
    frames = []
    for path in sorted(MEASURED.glob("beijing/PRSA*.csv")):
        frame = pl.read_csv(path, null_values="NA", infer_schema_length=None)
        begin = pl.datetime("year", "month", "day", "hour", time_zone="Asia/Shanghai").dt.convert_time_zone("UTC")
        values = {p: pl.col(n).cast(float) for p, n in zip(GASES, ["PM2.5", "PM10", "NO2", "O3", "SO2", "CO"])}
        frames.append(frame.select(location_id="station", event_ts=begin + pl.duration(hours=1), **values))
    return long(pl.concat(frames), "Beijing")


def london():
    "One station, six years: gases in ppb, CO in ppm."
    frame = pl.read_csv(MEASURED / "london/marylebone_road_1998_2003.csv", infer_schema_length=None)
    begin = pl.col("date").str.to_datetime().dt.replace_time_zone("UTC")
    values = {p: pl.col(p).cast(float) for p in [*GASES, "nox"]}
    units = {**dict.fromkeys(("no2", "nox", "o3", "so2"), "ppb"), "co": "ppm"}
    return long(frame.select(location_id=pl.lit("Marylebone Road"), event_ts=begin + pl.duration(hours=1), **values), "London", **units)


def clean(city, seed):
    "The truth of a simulated city as an instrument without a fault would round it."
    frame = truth(city, *WINDOW, seed=seed)
    return long(frame.select("location_id", "event_ts", *(pl.col(p).round(1) for p in [*GASES, "temp", "rh", "ws", "pres"])), city)


def false_flags():
    "Table: flags on clean simulated rows, by severity and rule."
    print("\nFalse flags on CLEAN, SIMULATED rows (fail: at most 0.1 %)")
    for city in CITIES:
        for seed in (0, 1):
            judged = judge_readings(clean(city, seed))
            counts = dict(judged.group_by(severity().alias("s")).len().rows())
            rules = {r: n for r in RULEBOOK if (n := flagged(judged, r).height)}
            print(f"{city:8} seed {seed}  {judged.height:,} rows  fail {per_cent(counts.get('fail', 0), judged.height)}  "
                  f"suspect {per_cent(counts.get('suspect', 0), judged.height)}  {rules}")


def hours_of(planted, kind, seen):
    "The observed rows of one kind of planted spells; a stuck run's first value is a measurement."
    spells = planted.filter(pl.col("kind") == kind).select("sensor_id", "start", "end").with_row_index("spell")
    rows = seen.sort("event_ts").join_asof(spells.sort("start"), left_on="event_ts", right_on="start", by="sensor_id", check_sortedness=False)
    inside = (pl.col("event_ts") <= pl.col("end")) & ((pl.col("event_ts") > pl.col("start")) | (kind != "stuck"))
    return rows.filter(inside)


def after_gaps(seen):
    "First rows after more than six hours that a sensor did not report."
    rows = seen.sort("sensor_id", "event_ts").with_columns(step=pl.col("event_ts").diff().over("sensor_id").dt.total_hours())
    return rows.filter(pl.col("step") > 7)


def planted_faults():
    "Table: precision and recall of the faults that the sandbox plants."
    print("\nFaults planted by the SANDBOX, 3 cities, 1 year: rows planted, found, precision, recall; spells found\n(of a stuck run the first five values cannot be told from a calm hour)")
    totals = {}
    for city in CITIES:
        seen, planted = observed(truth(city, *WINDOW), city=city)
        readings = check_readings(seen.with_columns(city=pl.lit(city)))
        judged = judge_readings(readings)
        for kind in ("sentinel", "stuck", "negative", "gap"):
            true, found = (after_gaps(readings) if kind == "gap" else hours_of(planted, kind, readings)), flagged(judged, kind)
            if kind == "stuck": true = true.filter(pl.col("value_raw") > -99)
            hit = true.join(found.select(KEY), on=KEY, how="semi")
            spells = (true["spell"].n_unique(), hit["spell"].n_unique()) if "spell" in true.columns else (true.height, hit.height)
            totals.setdefault(kind, []).append((true.height, found.height, hit.height, *spells))
        other = {r: n for r in RULEBOOK if r not in ("sentinel", "stuck", "negative", "gap") and (n := flagged(judged, r).height)}
        print(f"{city}: flags of other rules on {judged.height:,} rows: {other}")
    for kind, rows in totals.items():
        true, found, hit, spells, met = np.sum(rows, axis=0)
        print(f"{kind:9} {true:6} {found:6}  precision {per_cent(hit, found)}  recall {per_cent(hit, true)}   spells {per_cent(met, spells)}")


def smoke(name, readings):
    "Table: flags among the highest hundredth of hours of each station and parameter."
    judged = judge_readings(readings)
    highest = judged.filter(pl.col("value") >= pl.col("value").quantile(.99).over("location_id", "parameter"))
    print(f"\n{name}, MEASURED: {judged.height:,} rows, the highest 1 % of hours beside all")
    for p in [p for p in [*GASES, "nox"] if p in judged["parameter"]]:
        top, all_ = (x.filter(pl.col("parameter") == p) for x in (highest, judged))
        shares = [per_cent(x.filter(severity() == s).height, x.height) for s in ("fail", "suspect") for x in (top, all_)]
        print(f"{p:5} highest fail {shares[0]}  all {shares[1]}   highest suspect {shares[2]}  all {shares[3]}")
    print({r: n for r in RULEBOOK if (n := flagged(judged, r).height)})


def with_spikes(readings, seed, parameter="pm25", rate=.003):
    "The readings with spikes of 1 to 3 hours, 3 to 10 times the median of the hours around, and the rows that were changed."
    rng, parts, hits = np.random.default_rng(seed), [], []
    for part in readings.filter(pl.col("parameter") == parameter).sort("event_ts").partition_by("location_id"):
        value, level = part["value"].to_numpy().copy(), part["value"].rolling_median(7, center=True, min_samples=1).to_numpy()
        mark = np.zeros(len(value), bool)
        for at in np.flatnonzero(rng.random(len(value)) < rate):
            here = slice(at, at + rng.integers(1, 4))
            value[here], mark[here] = np.round(level[here]*rng.uniform(3, 10), 1), True
        mark &= value - level > RULEBOOK["spike"].limits[parameter]
        parts.append(part.with_columns(value=pl.Series(value)).with_columns(value_raw="value")), hits.append(part.filter(pl.Series(mark)))
    others = readings.filter(pl.col("parameter") != parameter)
    return pl.concat([*parts, others]), pl.concat(hits)


def spikes(name, readings, seeds=(1, 2, 3)):
    "Two lines of the table of planted spikes: PM2.5 by itself, and with the other pollutants of its stations as witnesses."
    for kind, rows in (("PM2.5 only", readings.filter(pl.col("parameter") == "pm25")), ("all pollutants", readings)):
        before = flagged(judge_readings(rows), "spike").filter(pl.col("parameter") == "pm25").height/rows.filter(pl.col("parameter") == "pm25").height
        all_, hits, ranged, flags = 0, 0, 0, 0
        for seed in seeds if kind == "PM2.5 only" else seeds[:1]:
            changed, planted = with_spikes(rows, seed)
            judged = judge_readings(changed).filter(pl.col("parameter") == "pm25")
            found = flagged(judged, "spike")
            all_, hits, flags = all_ + planted.height, hits + shared(planted, found), flags + found.height
            ranged += shared(planted, flagged(judged, "out_of_range"))
        print(f"{name:26} {kind:14} planted {all_:5}  found {per_cent(hits + ranged, all_)} (out of range {per_cent(ranged, all_)})  "
              f"of flags planted {per_cent(hits, flags)}  flags without planting {per_cent(before, 1)}")


def changed_by(readings, city_rows, change):
    "Readings in which one station's rows of a parameter were changed."
    return pl.concat([readings.join(city_rows.select(KEY), on=KEY, how="anti"), change.select(readings.columns)])


def measured_faults(readings):
    "Table: faults planted in a measured city; the rule that should find it, and what it says of the station and of others."
    print("\nFaults planted in MEASURED Beijing from 2015-03-01 on, PM2.5 of one station: share of its rows flagged, hours until the first, flags elsewhere")
    rng = np.random.default_rng(1)
    days = readings.filter(pl.col("event_ts") > pl.datetime(2015, 1, 1, time_zone="UTC"), pl.col("parameter").is_in(["pm25", "pm10", "so2"]))
    since = pl.datetime(2015, 3, 1, time_zone="UTC")
    own = days.filter(pl.col("location_id") == "Dongsi", pl.col("parameter") == "pm25", pl.col("event_ts") > since)
    other = days.filter(pl.col("location_id") == "Shunyi", pl.col("parameter") == "pm25", pl.col("event_ts") > since)
    so2 = days.filter(pl.col("location_id") == "Dongsi", pl.col("parameter") == "so2", pl.col("event_ts") > since)
    def set_to(value): return own.with_columns(value=pl.Series(np.asarray(value, float))).with_columns(value_raw="value")
    def as_dongsi(rows, hours): return rows.with_columns(event_ts=pl.col("event_ts") + pl.duration(hours=hours), location_id=pl.lit("Dongsi"),
                                                         location=pl.lit("Dongsi"), sensor_id=pl.lit("Dongsi/pm25"))
    values, n = own["value"].to_numpy(), own.height
    fine = values + rng.uniform(-.5, .5, n)
    kinds = [("dead: 95 % zeros", "dead", set_to(np.where(rng.random(n) < .95, 0, 1))), ("2 % of hours as 0", "missing_zero", set_to(np.where(rng.random(n) < .02, 0, values))),
             ("ten times its unit", "disagrees", set_to(values*10)), ("hours in another order", "disagrees", set_to(rng.permutation(values))),
             ("another station's hours", "copied_station", as_dongsi(other, 0)), ("the same, 8 hours late", "copied_station", as_dongsi(other, 8)),
             ("SO2 is PM2.5", "copied_column", set_to(values))]
    kinds += [(f"index {s}, of whole µg/m³", "index", set_to(np.ceil(np.interp(values, *x)) if s[:2] == "cn" else np.round(np.interp(values, *x)))) for s, x in SCALES.items()]
    kinds += [(f"index {s}, of tenths", "index_kink", set_to(np.round(np.interp(fine, *x)))) for s, x in SCALES.items() if s[:2] == "us"]
    for name, rule, change in kinds:
        made = changed_by(days, own, change)
        if rule == "copied_column": made = changed_by(made, so2, own.with_columns(parameter=pl.lit("so2"), sensor_id=pl.lit("Dongsi/so2")))
        found = flagged(judge_readings(made), rule)
        mine = found.filter(pl.col("location_id") == "Dongsi", pl.col("parameter") == "pm25", pl.col("event_ts") > since)
        hit = shared(mine, own) if rule == "missing_zero" else mine.height
        of = (change["value"] == 0).sum() if rule == "missing_zero" else change.height
        wait = (mine["event_ts"].min() - own["event_ts"].min()).total_seconds()/3600 if mine.height else float("nan")
        print(f"{name:28} {rule:15} {per_cent(hit, of)}  after {wait:5.0f} h  elsewhere {found.height - mine.height}")


def whole_series(name, readings):
    "Table: findings on measured series as they are, and on series of which one is faulty."
    judged = judge_readings(readings)
    series = judged.select("location_id", "parameter").unique().height
    start = perf_counter()
    found = whole_findings(judged)
    print(f"\n{name}, MEASURED, checks of whole series: {series} series, {perf_counter() - start:.1f} s for {judged.height:,} rows; findings {found.select('location_id', 'parameter', 'rule', 'seen').rows()}")


def clocks_set(readings, since, parameters):
    "Table: a station's clock set in measured Beijing; how many of the stations are found, and how many others."
    for hours in (1, -1, 2, 8):
        hit, other, of = 0, 0, 0
        for parameter in parameters:
            rows = readings.filter(pl.col("parameter") == parameter)
            for station in sorted(rows["location_id"].unique()):
                late = (pl.col("location_id") == station) & (pl.col("event_ts") > since)
                found = shifted(rows.with_columns(event_ts=pl.when(late).then(pl.col("event_ts") + pl.duration(hours=hours)).otherwise("event_ts")))
                hit, other, of = hit + (station in found["location_id"]), other + found.filter(pl.col("location_id") != station).height, of + 1
        print(f"clock of one station {hours:+} h        shifted             found {per_cent(hit, of)} of {of}   others found {other}")


def whole_faults(readings):
    "Table: faults of whole series planted in measured Beijing."
    print("\nFaults of whole series planted in MEASURED Beijing from 2014-06-01 on")
    since, n = pl.datetime(2014, 6, 1, time_zone="UTC"), readings["location_id"].n_unique()
    clocks_set(readings, since, ("pm25", "no2"))
    ozone = readings.filter(pl.col("parameter") == "o3").with_columns(tz=pl.lit("Asia/Shanghai"))
    wrong = clock(ozone.with_columns(event_ts=pl.col("event_ts") + pl.duration(hours=8)))
    print(f"local time read as UTC            clock               found {per_cent(wrong.height, n)} of {n}   as it is {clock(ozone).height}")
    walls = readings.filter(pl.col("parameter") == "pm25").with_columns(tz=pl.lit("Europe/Berlin"))
    springs = [skipped("Europe/Berlin", year) for year in (2013, 2014, 2015)]
    found = skipped_hour(walls.filter(~pl.col("event_ts").is_in(springs))).height
    print(f"the hour of spring left out       skipped_hour        found {per_cent(found, n)} of {n}   as it is {skipped_hour(walls).height}")
    for factor in (1.4, 1.1):
        second = walls.with_columns(sensor_id=pl.lit("second"), value=pl.col("value")*factor)
        print(f"a second instrument x {factor}         instruments_differ  found {per_cent(instruments_differ(pl.concat([walls, second])).height, n)} of {n}")
    gases = readings.filter(pl.col("parameter").is_in(["no2", "o3", "co", "pm25", "pm10"])).with_columns(value=pl.col("value")/1000)
    print(f"a thousandth of every value       unit                found {per_cent(unit(gases).height, 5*n)} of {5*n}   as it is {unit(readings).height}")
    cut = walls.group_by("location_id", maintain_order=True).head(1000)
    print(f"the first 1000 rows               truncated           found {per_cent(truncated(cut).height, n)} of {n}   as it is {truncated(readings).height}")
    ended = pl.concat([walls.filter(pl.col("location_id") != "Dongsi"), walls.filter(pl.col("location_id") == "Dongsi", pl.col("event_ts") < since)])
    print(f"a station ends in 2014            stale               found {per_cent(stale(ended).height, 1)} of 1   as it is {stale(readings).height}")


def seconds(millions):
    "One line: how long a million rows take."
    copies, one = [], clean("Beijing", 0)
    for i in range(max(1, round(millions*1e6/one.height))):
        named = {c: pl.lit(f"{i}-") + pl.col(c) for c in ("city", "location_id", "sensor_id")}
        copies.append(clean("Beijing", i).with_columns(**named))
    rows = pl.concat(copies)
    start = perf_counter()
    judge_readings(rows)
    took = perf_counter() - start
    print(f"\n{rows.height:,} rows judged by {len(RULEBOOK) - len(WHOLE_RULES)} rules in {took:.1f} s: {took/rows.height*1e6:.2f} s per million, {rows.height/took:,.0f} rows a second "
          f"(load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores)")
    start = perf_counter()
    used = used_readings(rows)
    took = perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024**2
    print(f"chosen by what fails: {len(used.rows):,} used in {took:.1f} s, {rows.height/took:,.0f} rows a second; at most {memory:.1f} GB held, the rows themselves {rows.estimated_size('gb'):.1f} GB")


if __name__ == "__main__":
    false_flags()
    planted_faults()
    here = MEASURED.joinpath("beijing").exists()
    cities = {"Beijing": beijing(), "London": london()} if here else {}
    for name, readings in cities.items(): smoke(name, readings)
    print("\nHours of spikes planted with seeds in PM2.5 (found: at least 95 %)")
    for city in CITIES: spikes(f"{city}, simulated, 4 stations", clean(city, 0))
    for name, readings in cities.items(): spikes(f"{name}, measured, {readings['location_id'].n_unique()} station(s)", readings)
    if here: measured_faults(cities["Beijing"])
    for name, readings in cities.items(): whole_series(name, readings.with_columns(tz=pl.lit({"Beijing": "Asia/Shanghai"}.get(name, "Europe/London"))))
    if here: whole_faults(cities["Beijing"])
    else: print("\nAQW_MEASURED names no folder with beijing/: the tables of measured series are left out")
    seconds(float(sys.argv[sys.argv.index("--rows") + 1]) if "--rows" in sys.argv else 1)
