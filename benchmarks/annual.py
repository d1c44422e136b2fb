"""How long annual statistics take, and what a plain pandas computation of the same figures takes.

Ten made-up stations, six years, six pollutants by the hour, 3 % of the hours missing. The peer makes five figures by the EU's rules (means, PM10 days above 50, NO2 hours above 200, ozone days above 120, AOT40) with pandas' resampling and rolling; it knows no limits, no captures by month and no words. Each runs in a process of its own; the figures that both make are compared.
    python benchmarks/annual.py [--stations 10] [--years 6] [--times 3]
"""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).with_name("peers")))
from measure import peak_mb, report, timed  # noqa: E402

FIRST, GASES = 2015, {"no2": 40, "o3": 55, "so2": 8, "co": 400, "pm10": 30, "pm25": 16}


def option(name, default): return type(default)(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def readings(stations, years):
    "Hourly readings as a polars frame."
    import polars as pl
    rng = np.random.default_rng(0)
    ends = pd.date_range(f"{FIRST}-01-01T00:00", f"{FIRST + years}-01-01T00:00", freq="h", inclusive="left", tz="UTC")   # days in CET begin at 23:00
    frames = []
    for s in range(stations):
        for p, level in GASES.items():
            kept = rng.random(len(ends)) > .03
            frames.append(pl.DataFrame({"event_ts": ends[kept], "value": rng.gamma(4, level / 4, len(ends)).round(1)[kept]}).with_columns(
                city=pl.lit("Berlin"), country=pl.lit("DE"), tz=pl.lit("Europe/Berlin"), location_id=pl.lit(f"s{s}"), parameter=pl.lit(p), unit_raw=pl.lit("µg/m³")))
    return pl.concat(frames)


def ours(df):
    from aq_workbench.aqi import annual_statistics
    table = annual_statistics(df)
    return {(r.location_id, r.parameter, r.year, r.statistic): r.value for r in table.itertuples() if r.statistic in ("mean", "days above 50", "hours above 200", "days above 120", "AOT40")}


def plain(df):
    "The same figures with pandas, one series at a time."
    found = {}
    for (station, p), part in df.to_pandas().groupby(["location_id", "parameter"]):
        hours = part.set_index(part["event_ts"].dt.tz_convert("Etc/GMT-1").dt.tz_localize(None) - pd.Timedelta("1h"))["value"].sort_index().asfreq("h")
        for year, mean in hours.groupby(hours.index.year).mean().items(): found[station, p, year, "mean"] = mean / (1000 if p == "co" else 1)   # mg/m³
        if p == "no2":
            for year, n in (np.floor(hours + .5) > 200).groupby(hours.index.year).sum().items(): found[station, p, year, "hours above 200"] = n
        if p == "pm10":
            day = hours.resample("D").mean().where(hours.resample("D").count() >= 18)
            for year, n in (np.floor(day + .5) > 50).groupby(day.index.year).sum().items(): found[station, p, year, "days above 50"] = n
        if p == "o3":
            means = hours.rolling(8, min_periods=6).mean()
            day = means.resample("D").max().where(means.resample("D").count() >= 18)
            for year, n in (np.floor(day + .5) > 120).groupby(day.index.year).sum().items(): found[station, p, year, "days above 120"] = n
            light = hours[hours.index.month.isin([5, 6, 7]) & (hours.index.hour >= 8) & (hours.index.hour < 20)].dropna()
            for year, part in light.groupby(light.index.year): found[station, p, year, "AOT40"] = (part - 80).clip(lower=0).sum() * 1104 / len(part)
    return found


def worker(name, stations, years, times):
    df = readings(stations, years)
    before = peak_mb()
    runs = [timed(lambda: {"ours": ours, "pandas": plain}[name](df)) for _ in range(times)]
    figures = {"|".join(map(str, k)): float(v) for k, v in runs[0][0].items()}
    report(seconds=min(s for _, s in runs), held=before, peak=peak_mb(), rows=df.height, figures=figures)


def main():
    stations, years, times = option("--stations", 10), option("--years", 6), option("--times", 3)
    if "--worker" in sys.argv: return worker(option("--worker", ""), stations, years, times)
    found = {}
    for name in ("ours", "pandas"):
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--worker", name], capture_output=True, text=True, check=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
    mine, theirs = (found[n]["figures"] for n in ("ours", "pandas"))
    both = [k for k in theirs if k in mine and not np.isnan(mine[k])]
    differ = [k for k in both if abs(mine[k] - theirs[k]) > 1e-6 * max(1, abs(theirs[k]))]
    print(f"{found['ours']['rows']:,} readings: {stations} stations, {years} years, {len(GASES)} pollutants")
    for name in found: print(f"{name:7} {found[name]['seconds']:6.2f} s   {found[name]['peak'] - found[name]['held']:6.0f} MB above the readings")
    print(f"ratio   {found['ours']['seconds'] / found['pandas']['seconds']:6.2f}   {len(both)} figures of both compared, {len(differ)} differ")


if __name__ == "__main__": main()
