"""How long reading a file takes, checks included, against pandas reading the same file without any.

Both files are made up with a seed: one value a row, as OpenAQ Explorer exports it (15 columns), and a column for each of two pollutants.
    python benchmarks/reading.py [--rows 1] [--times 3]     --rows: millions of rows
"""
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd

from aq_workbench.fetcher import read_file

SITES, WIDE = 20, {"city": "Delhi", "location": "Kerb", "time": {"column": "date", "stamp": "start", "zone": "UTC"},
                   "columns": {"pm25": {"parameter": "pm25"}, "no2": {"parameter": "no2", "unit": "ppb"}}}


def option(name, default): return type(default)(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def values(rng, n): return rng.gamma(2, 20, n).round(1)


def explorer(path, rows):
    "One value a row, 20 stations, two pollutants."
    rng, hours = np.random.default_rng(0), rows // SITES // 2
    times = pd.date_range("1960-01-01T01:00", periods=hours, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    fixed = {"timezone": "America/Toronto", "longitude": -79.4, "country_iso": "CA", "isMobile": "False", "isMonitor": "True",
             "owner_name": "x", "provider": "AirNow"}
    pd.concat([pd.DataFrame({"location_id": 7000 + s, "location_name": f"Station {s}", "parameter": p, "value": values(rng, hours),
                             "unit": u, "datetimeUtc": times, "datetimeLocal": times, "latitude": 43.6 + s / 1000, **fixed})
               for s in range(SITES) for p, u in (("pm25", "µg/m³"), ("no2", "ppb"))]).to_csv(path, index=False)


def wide(path, rows):
    "A column for each of two pollutants."
    rng = np.random.default_rng(1)
    times = pd.date_range("1951-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M")
    pd.DataFrame({"date": times, "pm25": values(rng, rows), "no2": values(rng, rows)}).to_csv(path, index=False)


def seconds(work, times):
    "The least of some tries."
    taken = []
    for _ in range(times):
        begun = perf_counter()
        work()
        taken.append(perf_counter() - begun)
    return min(taken)


def main():
    rows, times = int(option("--rows", 1.) * 1e6), option("--times", 3)
    print(f"{'file':34} {'readings':>10} {'pandas':>8} {'ours':>8} {'ratio':>6}   target <= 3")
    with TemporaryDirectory() as folder:
        for make, mapping in ((explorer, None), (wide, WIDE)):
            path = Path(folder) / f"{make.__name__}.csv"
            make(path, rows)
            theirs = seconds(lambda: pd.read_csv(path), times)
            n = read_file(path, mapping=mapping).readings.height
            ours = seconds(lambda: read_file(path, mapping=mapping), times)
            print(f"{make.__doc__:34.34} {n:10,} {theirs:7.2f}s {ours:7.2f}s {ours / theirs:6.1f}")


if __name__ == "__main__": main()
