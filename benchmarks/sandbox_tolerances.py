"""How far the simulated cities are from measured ones: target, what each seed gives, and whether it is within its tolerance.

The targets are figures of measured series: Beijing from UCI 501 (12 stations, 2013-03 to 2017-02), Delhi from CPCB's city means (2015-01 to 2020-07), London from Marylebone Road (1998 to 2005).
    python benchmarks/sandbox_tolerances.py [seed ...]
"""
import sys
from time import perf_counter

import numpy as np
import pandas as pd

from aq_workbench.sandbox.network import observed
from aq_workbench.sandbox.world import truth

GASES = ["pm25", "pm10", "so2", "no2", "co", "o3"]
MONTHS = {"Beijing": [93.9, 87.8, 94.6, 72.7, 63.2, 69.0, 71.6, 53.5, 61.4, 91.8, 93.4, 103.9],
          "Delhi": [197.5, 142.0, 87.6, 90.9, 92.2, 69.8, 46.4, 43.1, 55.3, 140.9, 238.2, 208.1]}
PEARSON = {"pm10": [.884], "so2": [.482, .463], "no2": [.667, .652, .499], "co": [.790, .702, .536, .705], "o3": [-.150, -.111, -.165, -.472, -.313],
           "temp": [-.131, -.096, -.322, -.278, -.326, .595], "ws": [-.272, -.184, -.109, -.400, -.298, .296]}
WIND = {"ws <= .5": 103.5, "ws .5-1": 101.0, "ws 1-2": 84.7, "ws 2-3": 59.2, "ws 3-5": 37.5, "ws > 5": 26.0}


def within(target, got, kind, by):
    "Is a figure near enough: absolutely, relatively, above or below the target, or on a clock of 24 hours?"
    if kind == "abs": return abs(got - target) <= by
    if kind == "rel": return abs(got/target - 1) <= by
    if kind == "clock": return min((got - target) % 24, (target - got) % 24) <= by
    return got >= target if kind == "above" else got <= target


def wide(frame, zone):
    "A column for each parameter, rows by station and the local START of the hour."
    frame = frame.to_pandas()
    frame["local"] = (frame.event_ts - pd.Timedelta("1h")).dt.tz_convert(zone)
    return frame.set_index(["location_id", "local"])


def each(series, f): return float(np.mean([f(s.droplevel(0)) for _, s in series.groupby(level=0)]))
def acf(series, lag): return each(series, lambda s: s.autocorr(lag))
def swing(series, key): return each(series, lambda s: np.ptp(s.groupby(key(s.index)).mean())/s.mean())
def hour_of(series, best): return int(getattr(series.groupby(series.index.get_level_values(1).hour).mean(), best)())


def runs_missing(seen, parameter="pm25"):
    "Share of hours missing, and the lengths of the runs, over all sensors of a parameter."
    share, lengths = [], []
    for _, s in seen[seen.parameter == parameter].groupby("sensor_id"):
        gone = ~pd.date_range(s.event_ts.min(), s.event_ts.max(), freq="h").isin(s.event_ts)
        edges = np.flatnonzero(np.diff(np.r_[False, gone, False]))
        lengths.append(edges[1::2] - edges[::2]), share.append(gone.mean())
    return share, np.concatenate(lengths)


def beijing(seed):
    "Rows of the table for Beijing: name, target, kind of tolerance, tolerance, got."
    frame = truth("Beijing", "2013-02-28T16:00Z", "2017-02-28T16:00Z", seed=seed)
    x = wide(frame, "Asia/Shanghai")
    pm, log = x.pm25, np.log(x.pm25)
    yield "mean", 79.8, "rel", .15, pm.mean()
    yield "median", 55.3, "rel", .15, pm.median()
    yield "p95", 241.6, "rel", .15, pm.quantile(.95)
    for lag, target, by in ((1, .969, .03), (6, .767, .08), (24, .404, .08)): yield f"acf {lag}", target, "abs", by, acf(pm, lag)
    for lag, target in ((12, .596), (48, .149), (72, .065)): yield f"acf {lag}", target, "abs", .1, acf(pm, lag)
    yield "acf 24 less acf 18", 0, "below", 0, acf(pm, 24) - acf(pm, 18)
    yield "log sd", 1.132, "rel", .15, each(log, lambda s: s.std())
    yield "log skew", -.4, "abs", .3, each(log, lambda s: s.skew())
    yield "log excess kurtosis", -.53, "abs", .6, each(log, lambda s: s.kurt())
    steps = log.groupby(level=0).diff().dropna()
    yield "log step sd", .362, "rel", .25, each(steps, lambda s: s.std())
    yield "log step kurtosis", 8, "above", 0, each(steps, lambda s: s.kurt())
    yield "log step q.001", -2.32, "rel", .25, steps.quantile(.001)
    yield "log step q.999", 2.02, "rel", .25, steps.quantile(.999)
    yield "diurnal", .235, "rel", .25, swing(pm, lambda t: t.hour)
    yield "annual", .653, "rel", .25, swing(pm, lambda t: t.month)
    months = pm.groupby(pm.index.get_level_values(1).month).mean()
    yield "months' correlation", .5, "above", 0, float(np.corrcoef(months, MONTHS["Beijing"])[0, 1])
    for name, these, target in (("DJF", (12, 1, 2), 1.326), ("JJA", (6, 7, 8), .96)): yield f"log sd {name}", target, "rel", .15, each(log, lambda s: s[s.index.month.isin(these)].std())
    yield "hours > 150", .149, "rel", .25, (pm > 150).mean()
    side = pm.unstack(0).corr().to_numpy()[np.triu_indices(4, 1)]
    yield "between stations, mean", .886, "abs", .1, side.mean()
    yield "between stations, least", .778, "above", 0, side.min()
    city = log.groupby(level=1).mean()
    away = log - city.reindex(log.index, level=1)
    yield "station's log deviation sd", .394, "rel", .2, each(away, lambda s: s.std())
    yield "station's log deviation acf 1", .619, "abs", .1, acf(away, 1)
    corr = x[[*GASES, "temp", "ws"]].corr()
    for a, targets in PEARSON.items():
        for b, target in zip(GASES, targets): yield f"{b}, {a}", target, "abs", .1, corr.loc[a, b]
    for bounds, (name, target) in zip(((-1, .5), (.5, 1), (1, 2), (2, 3), (3, 5), (5, 99)), WIND.items()):
        yield f"PM2.5 at {name}", target, "rel", .35, pm[(x.ws > bounds[0]) & (x.ws <= bounds[1])].mean()
    for name, target, low, high in (("NW", 51, 303.75, 326.25), ("E", 102, 78.75, 101.25)): yield f"PM2.5 with wind from {name}", target, "rel", .25, pm[x.wd.between(low, high)].mean()
    share, runs = runs_missing(observed(frame, city="Beijing", seed=seed)[0].to_pandas())
    yield "missing, least", .011, "above", 0, min(share[:3])
    yield "missing, most", .03, "below", 0, max(share[:3])
    for name, target, got in (("1", .58, runs == 1), ("2", .23, runs == 2), ("3-6", .12, (runs > 2) & (runs < 7)), ("7-24", .05, (runs > 6) & (runs < 25))):
        yield f"missing runs of {name} h", target, "abs", .06, got.mean()
    yield "missing runs, longest", 48, "above", 0, runs[runs < 3000].max()


def delhi(seed):
    "Rows of the table for Delhi: daily means of the city, and the hours' memory."
    x = wide(truth("Delhi", "2014-12-31T18:30Z", "2019-12-31T18:30Z", seed=seed), "Asia/Kolkata")
    city = x[GASES].groupby(level=1).mean()
    day = city.resample("D").mean()
    log = np.log(day.pm25)
    yield "daily mean", 117.2, "rel", .15, day.pm25.mean()
    yield "daily median", 94.6, "rel", .15, day.pm25.median()
    yield "daily sd", 82.9, "rel", .2, day.pm25.std()
    yield "daily log sd", .686, "rel", .15, log.std()
    for lag, target, by in ((1, .874, .1), (7, .617, .2), (30, .406, .1)): yield f"daily acf {lag}", target, "abs", by, day.pm25.autocorr(lag)
    months = day.pm25.groupby(day.index.month).mean()
    yield "annual", 1.67, "rel", .25, np.ptp(months)/months.mean()
    yield "months' correlation", .95, "above", 0, float(np.corrcoef(months, MONTHS["Delhi"])[0, 1])
    for other, target in (("pm10", .863), ("no2", .664), ("co", .553), ("o3", .235)): yield f"daily pm25, {other}", target, "abs", .1, day.pm25.corr(day[other])
    yield "hourly log sd", .82, "rel", .15, each(np.log(x.pm25), lambda s: s.std())
    yield "diurnal", 1., "rel", .25, swing(x.pm25, lambda t: t.hour)
    for best, target in (("idxmax", 7), ("idxmin", 17)): yield f"hour, {best[3:]}", target, "clock", 1, hour_of(x.pm25, best)
    yield "acf 24 less acf 12", .05, "above", 0, acf(x.pm25, 24) - acf(x.pm25, 12)


def london(seed):
    "Rows of the table for London: hours of a street."
    x = wide(truth("London", "2012-12-31", "2016-12-31", seed=seed), "Europe/London")
    pm, local = x.pm25, x.index.get_level_values(1)
    yield "mean", 21.7, "rel", .15, pm.mean()
    yield "median", 20, "rel", .15, pm.median()
    yield "log sd", .547, "rel", .15, each(np.log(pm), lambda s: s.std())
    for lag, target in ((1, .791), (24, .39)): yield f"acf {lag}", target, "abs", .08, acf(pm, lag)
    yield "diurnal", .55, "rel", .25, swing(pm, lambda t: t.hour)
    for best, target in (("idxmax", 8), ("idxmin", 3)): yield f"hour, {best[3:]}", target, "clock", 1, hour_of(pm, best)
    yield "weekend", -.19, "abs", .05, pm[local.day_of_week > 4].mean()/pm[local.day_of_week < 5].mean() - 1
    yield "annual", .188, "abs", .1, swing(pm, lambda t: t.month)
    for other, target in (("pm10", .836), ("no2", .527), ("o3", -.331), ("co", .537)): yield f"pm25, {other}", target, "abs", .1, pm.corr(x[other])


CITIES = {"Beijing": beijing, "Delhi": delhi, "London": london}


def table(city, seeds):
    "One row a quantity: target, tolerance, what each seed gave, and whether all are within."
    rows = [{"quantity": n, "target": t, "tolerance": f"{k} {b}" if b else k, f"seed {s}": g, f"ok {s}": within(t, g, k, b)} for s in seeds for n, t, k, b, g in CITIES[city](s)]
    frame = pd.DataFrame(rows).groupby("quantity", sort=False).first()
    frame["within"] = frame[[f"ok {s}" for s in seeds]].all(axis=1)
    return frame.drop(columns=[f"ok {s}" for s in seeds])


if __name__ == "__main__":
    seeds = [int(s) for s in sys.argv[1:]] or [0, 1, 2]
    for city in CITIES:
        found = table(city, seeds)
        print(f"\n{city}, SIMULATED: {found.within.sum()} of {len(found)} within\n{found.round(3).to_string()}")
    for years in (1, 6):
        start = perf_counter()
        frame = truth("Beijing", f"{2018 - years}-01-01", "2018-01-01", seed=99 + years)
        print(f"{perf_counter() - start:5.2f} s  truth of 4 stations, {years} year(s), {frame.height} rows")
