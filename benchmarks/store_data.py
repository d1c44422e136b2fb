"""The data of store.py, made from a seed, and the truth that its joins are held against.
    python store_data.py make DATA HOURS FEW MANY DAYS
    python store_data.py check DATA"""
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parent/"peers"))
from measure import peak_mb, report, timed

GROUPS, ENTITIES, COLUMNS = ("air", "weather"), 100, 10
TS, START, HOUR = pl.Datetime("us", "UTC"), datetime(2019, 1, 1), 3_600_000_000
ZERO = int((START - datetime(1970, 1, 1)).total_seconds())*1_000_000


def names(numbers): return pl.Series(numbers).cast(pl.String).str.zfill(3)
def moments(micros): return pl.Series(micros).cast(TS)


def features(group, hours, seed):
    "Rows of a group: 2 % come 2 to 72 hours late, 5 % are corrected 6 to 240 hours later by a second row. The first column numbers the rows."
    rng, n = np.random.default_rng(seed), ENTITIES*hours
    entity, hour = np.repeat(np.arange(ENTITIES), hours), np.tile(np.arange(1, hours + 1), ENTITIES)
    known = hour + np.where(rng.random(n) < .02, rng.integers(2, 73, n), 0)
    again = np.flatnonzero(rng.random(n) < .05)
    entity, hour, known = np.r_[entity, entity[again]], np.r_[hour, hour[again]], np.r_[known, known[again] + rng.integers(6, 241, again.size)]
    values = {f"{group}_0": np.arange(entity.size, dtype=float), **{f"{group}_{i}": rng.normal(size=entity.size) for i in range(1, COLUMNS)}}
    frame = pl.DataFrame({"location_id": names(entity), "event_ts": moments(ZERO + hour*HOUR), "available_ts": moments(ZERO + known*HOUR), **values})
    return frame.sort("location_id", "event_ts", "available_ts")


def labels(n, hours, seed=9):
    "Labels at random minutes of random entities."
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"location_id": names(rng.integers(0, ENTITIES, n)), "issued_at": moments(ZERO + rng.integers(0, hours*60, n)*60_000_000), "label": np.arange(n)})


def daily(day):
    "The 24 hours of a day of every entity."
    rng, n = np.random.default_rng(day), ENTITIES*24
    hour = 24*day + np.tile(np.arange(1, 25), ENTITIES)
    values = {f"daily_{i}": rng.normal(size=n) for i in range(COLUMNS)}
    return pl.DataFrame({"location_id": names(np.repeat(np.arange(ENTITIES), 24)), "event_ts": moments(ZERO + hour*HOUR), **values})


def correction(frame, by):
    "The last 100 hours of every entity with other values: ten thousand rows that correct what is there."
    last = frame.filter(pl.col("event_ts") > pl.col("event_ts").max() - timedelta(hours=100)).unique(["location_id", "event_ts"], keep="last", maintain_order=True)
    return last.drop("available_ts").with_columns(pl.selectors.float() + by)


def index(frame):
    "The rows that a later hour has not overtaken before they came, by entity and the moment `v` from which they are visible."
    frame = frame.with_columns(v=pl.max_horizontal("event_ts", "available_ts")).sort("location_id", "v", "event_ts", "available_ts")
    return frame.filter(pl.col("event_ts") == pl.col("event_ts").cum_max().over("location_id")).drop("event_ts", "available_ts")


def make(data, hours, few, many, days):
    "Write groups, labels, days, corrections and the peers' indexes; report the rows and the seconds of preparing."
    for folder in ("daily", "corrections"): (data/folder).mkdir(parents=True, exist_ok=True)
    rows, preparing = {}, 0
    for seed, group in enumerate(GROUPS):
        frame = features(group, hours, seed)
        frame.write_parquet(data/f"{group}.parquet")
        ready, seconds = timed(lambda: index(frame))
        rows[group], preparing = frame.height, preparing + seconds
        ready.write_ipc(data/f"{group}_index.arrow", compression="uncompressed")
        ready.sort("v", maintain_order=True).write_ipc(data/f"{group}_by_time.arrow", compression="uncompressed")
    asked = labels(many, hours)
    for name, n in (("few", few), ("many", many)): asked.head(n).write_parquet(data/f"{name}.parquet")
    for day in range(days): daily(day).write_parquet(data/f"daily/{day:03}.parquet")
    for by in range(1, 6): correction(pl.read_parquet(data/"air.parquet"), by).write_parquet(data/f"corrections/{by}.parquet")
    report(rows=rows, preparing=preparing, peak_mb=peak_mb())


def oracle(data, n=1000):
    "What a label may see, by looking at every row of its entity: the first column of each group."
    asked = pl.read_parquet(data/"few.parquet").sample(n, seed=1)
    for group in GROUPS:
        rows = pl.read_parquet(data/f"{group}.parquet", columns=["location_id", "event_ts", "available_ts", f"{group}_0"]).partition_by("location_id", as_dict=True)
        asked = asked.with_columns(pl.Series(f"{group}_0", [newest(rows[(e,)], at, f"{group}_0") for e, at in asked.select("location_id", "issued_at").rows()], pl.Float64))
    return asked


def newest(rows, at, column):
    "The last written value of the newest hour that was visible at a moment."
    seen = rows.filter((pl.col("event_ts") <= at) & (pl.col("available_ts") <= at)).sort("event_ts", "available_ts")
    return seen[column].last() if seen.height else None


def unlike(frame, truth, columns):
    "In how many labels two frames differ."
    both = truth.select("label", *columns).join(frame.select("label", *columns), on="label", suffix="_found")
    return both.filter(pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c}_found")) for c in columns)).height


def check(data):
    "For every finished frame, its mismatches with the oracle, and with the polars join in any column."
    truth, firsts, found = oracle(data), [f"{g}_0" for g in GROUPS], {}
    joined = pl.read_parquet(data/"found_polars_many.parquet")
    columns = [f"{g}_{i}" for g in GROUPS for i in range(COLUMNS)]
    for path in sorted(data.glob("found_*.parquet")):
        frame = pl.read_parquet(path)
        found[path.stem.removeprefix("found_")] = {"rows": frame.height, "oracle": unlike(frame, truth, firsts), "polars": unlike(frame, joined, columns)}
    report(found=found, of=truth.height)


def history(month):
    "Rows of a month, about 700 thousand: 40 cities x 4 stations x 6 parameters, hourly."
    first = pl.Series([START]).dt.offset_by(f"{month}mo")[0]
    after = pl.Series([first]).dt.offset_by("1mo")[0]
    hours = moments(pl.datetime_range(first, after - timedelta(hours=1), "1h", eager=True).dt.replace_time_zone("UTC"))
    city, station, parameter = (pl.DataFrame({c: v}) for c, v in (("city", [f"City {i:02}" for i in range(40)]), ("station", list("abcd")), ("parameter", sorted("pm25 pm10 no2 o3 so2 co".split()))))
    frame = city.join(station, how="cross").join(parameter, how="cross").join(pl.DataFrame({"event_ts": hours}), how="cross")
    frame = frame.select("city", location_id=pl.col("city").str.slice(5) + pl.col("station"), parameter="parameter", event_ts="event_ts")
    values = np.random.default_rng(month).lognormal(4, .8, frame.height)
    return frame.with_columns(value=pl.Series(values), available_ts=pl.col("event_ts"), created_ts=pl.lit(after).dt.replace_time_zone("UTC").cast(TS), batch_id=pl.lit(f"{first:%Y-%m}"), month=pl.lit(f"{first:%Y-%m}"))


if __name__ == "__main__":
    what, data, *numbers = sys.argv[1:]
    make(Path(data), *map(int, numbers)) if what == "make" else check(Path(data))
