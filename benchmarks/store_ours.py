"""Our side of store.py: one function a claim, each run in a process of its own.
    python store_ours.py NAME DATA [argument ...]"""
import sys
from pathlib import Path

import polars as pl
from store_data import ENTITIES, GROUPS, history, peak_mb, report, timed

from aq_workbench.core import Settings
from aq_workbench.store import FeatureStore
from aq_workbench.store.tables import append


def store_in(home): return FeatureStore(Settings(home=home, source="files"))


def ours_load(data):
    "Both groups into the store, dated as they came; then the prepared index of each."
    store, loading, preparing = store_in(data/"home"), 0, 0
    for group in GROUPS:
        came = pl.col("available_ts")
        rows = pl.read_parquet(data/f"{group}.parquet").with_columns(created_ts=came, batch_id=pl.lit("benchmark"), month=pl.col("event_ts").dt.strftime("%Y-%m"))
        loading += timed(lambda: append(store.root/group, rows, by=["month"], message=f"{rows.height} new"))[1]
        preparing += timed(lambda: store.prepare_index(group))[1]
    report(loading=loading, preparing=preparing, peak_mb=peak_mb())


def ours_pit(data, labels):
    "The training frame of a file of labels."
    store, labels = store_in(data/"home"), Path(labels)
    frame, seconds = timed(lambda: store.training_frame(pl.read_parquet(labels), list(GROUPS)))
    report(seconds=seconds, peak_mb=peak_mb(), rows=frame.shape[0])
    frame = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
    frame.write_parquet(data/f"found_ours_{labels.stem}.parquet")


def ours_online(data, calls):
    "The newest features of every entity, call by call; the first call stands apart."
    store = store_in(data/"home")
    entities = [f"{i:03}" for i in range(ENTITIES)]
    lookup = lambda: store.online(entities, groups=list(GROUPS))
    found, first = timed(lookup)
    report(calls=[timed(lookup)[1] for _ in range(int(calls))], first=first, peak_mb=peak_mb(), sums=[float(found[f"{g}_0"].sum()) for g in GROUPS])


def ours_appends(data):
    "A day's rows a write, into a group of its own."
    store, days = store_in(data/"home"), [pl.read_parquet(f) for f in sorted((data/"daily").glob("*.parquet"))]
    report(calls=[timed(lambda: store.write(rows, "daily"))[1] for rows in days], rows=store.scan("daily").select(pl.len()).collect().item(), peak_mb=peak_mb())


def ours_correction(data):
    "Ten thousand corrected rows a write, into a group of the join."
    store, batches = store_in(data/"home"), [pl.read_parquet(f) for f in sorted((data/"corrections").glob("*.parquet"))]
    done = [timed(lambda: store.write(rows, "air")) for rows in batches]
    report(calls=[seconds for _, seconds in done], rows=[result.corrected for result, _ in done], peak_mb=peak_mb())


def ours_history(data, months):
    "A long table, month by month, sorted and partitioned as the store writes."
    store = store_in(data/"home")
    for month in range(int(months)):
        rows = history(month)
        append(store.root/"history", rows, by=["month"], message=f"{rows.height} new")
    report(rows=store.summary().set_index("group").rows["history"].item())


def ours_city_month(data, city, start, end):
    "One city's month out of the long table."
    store = store_in(data/"home")
    frame, seconds = timed(lambda: store.scan("history", where=pl.col("city") == city, start=start, end=end).collect())
    report(seconds=seconds, peak_mb=peak_mb(), rows=frame.height)


if __name__ == "__main__":
    name, data, *rest = sys.argv[1:]
    globals()[f"ours_{name}"](Path(data), *rest)
