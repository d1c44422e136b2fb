"""How fast indices are made: NowCast, the index of a mean by every standard, the official index of hourly readings, with memory.

NowCast is timed against the words of its rule in plain Python, which are timed on a part and reckoned up to the whole.
    python benchmarks/aqi.py [--times 3]     a minute
"""
import json
import subprocess
import sys
from datetime import timedelta
from math import isnan, nan
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from aq_workbench.aqi import air_quality_index, known_standards, sub_index
from aq_workbench.aqi.nowcast import nowcast_values
from aq_workbench.core import utc

sys.path.insert(0, str(Path(__file__).parent/"peers"))
from measure import peak_mb, report, timed  # noqa: E402

HOURS, PART, TARGET = 1_750_000, 50_000, 200
STATIONS, LENGTH = 20, 8_334   # of six pollutants: a million readings
LEVELS = {"pm25": 25, "pm10": 40, "no2": 20, "o3": 40, "so2": 6, "co": 300}


def option(name, default): return type(default)(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default
def least(work, times): return min(timed(work)[1] for _ in range(times))


def air(n, seed=0):
    "Hours of PM2.5 with gaps, in µg/m³."
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < .05, np.nan, rng.gamma(2, 20, n) - 1)


def by_its_words(values):
    "NowCast hour by hour."
    found = []
    for i in range(len(values)):
        there = [(k, max(values[i - k], 0.)) for k in range(min(12, i + 1)) if not isnan(values[i - k])]
        if sum(k < 3 for k, _ in there) < 2:
            found.append(nan)
            continue
        numbers = [v for _, v in there]
        high = max(numbers)
        w = max(min(numbers)/high, .5) if high else 1.
        found.append(sum(v*w**k for k, v in there)/sum(w**k for k, _ in there))
    return found


def nowcast(times):
    values, part = air(HOURS), air(HOURS)[:PART].tolist()
    begun = perf_counter()
    slow = by_its_words(part)
    theirs, ours = (perf_counter() - begun)*HOURS/PART, least(lambda: nowcast_values(values), times)
    np.testing.assert_allclose(nowcast_values(values)[:PART], slow, rtol=1e-9)
    position = np.tile(np.arange(HOURS//200), 200)
    many = least(lambda: nowcast_values(values, position), times)
    print(f"NowCast of {HOURS:,} hours: one series {ours*1e3:.0f} ms, 200 series {many*1e3:.0f} ms; plain Python {theirs:.1f} s "
          f"(reckoned from {PART:,} hours); ratio {theirs/ours:.0f}, target >= {TARGET}: {'met' if theirs/ours >= TARGET else 'MISSED'}")


def indices(times):
    values = air(1_000_000).clip(0)
    print("\nIndex of 1,000,000 means of PM2.5, seconds")
    for id, s in known_standards().items(): print(f"{id:14} {least(lambda: sub_index(values, 'pm25', standard=s), times):6.2f}")


def readings():
    "A million hourly readings of a city."
    ends = [utc("2025-01-01T01:00Z") + timedelta(hours=i) for i in range(LENGTH)]
    parts = [pl.DataFrame({"event_ts": ends, "value": air(LENGTH, seed=i)*level/40}).with_columns(location_id=pl.lit(f"s{i}"), parameter=pl.lit(p))
             for i in range(STATIONS) for p, level in LEVELS.items()]
    fixed = {"country": "US", "tz": "America/New_York", "unit_raw": "µg/m³", "period_min": 60}
    return pl.concat(parts).fill_nan(None).with_columns(pl.lit(v).alias(k) for k, v in fixed.items())


def one(family, basis):
    "A process of its own, whose memory is its own."
    rows = readings()
    before = peak_mb()
    found, seconds = timed(lambda: air_quality_index(rows, family, basis=basis))
    report(seconds=seconds, rows=rows.height, found=found.height, before=before, mb=peak_mb())


def official():
    print("\nOfficial index of hourly readings: seconds, MB held at most (before the call)")
    for family in ("us", "in", "cn", "eu"):
        for basis in ("day", "now", "hour"):
            done = subprocess.run([sys.executable, __file__, "--one", family, basis], capture_output=True, text=True, check=True)
            r = json.loads(done.stdout)
            print(f"{family:3} {basis:5} {r['rows']:,} readings, {r['found']:8,} indices {r['seconds']:6.2f} s {r['mb']:6.0f} MB ({r['before']:.0f})")


def main():
    if "--one" in sys.argv: return one(*sys.argv[sys.argv.index("--one") + 1:])
    times = option("--times", 3)
    nowcast(times)
    indices(times)
    official()


if __name__ == "__main__": main()
