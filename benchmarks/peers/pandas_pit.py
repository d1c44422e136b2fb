"""Point-in-time join by pandas' `merge_asof`: from the prepared index on disk to the finished frame.
    python pandas_pit.py DATA LABELS index|by_time
`index` is the file that polars reads too, ordered by entity; `merge_asof` wants it by time, so it sorts. `by_time` is a copy that was sorted beforehand."""
import sys
from pathlib import Path

import pandas as pd
from measure import peak_mb, report, timed


def join(data, labels, order, stages):
    "The labels with the columns of both groups; `stages` gathers the seconds of reading, sorting and joining."
    frame = pd.read_parquet(labels).sort_values("issued_at")
    for group in ("air", "weather"):
        right, stages["read"] = add(stages, "read", lambda: pd.read_feather(data/f"{group}_{order}.arrow"))
        if order == "index": right, stages["sort"] = add(stages, "sort", lambda: right.sort_values("v", kind="stable"))
        frame, stages["join"] = add(stages, "join", lambda: pd.merge_asof(frame, right, left_on="issued_at", right_on="v", by="location_id").drop(columns="v"))
    return frame


def add(stages, name, call):
    "What a call returns, and its seconds on top of those that the stage has already."
    result, seconds = timed(call)
    return result, stages.get(name, 0) + seconds


if __name__ == "__main__":
    data, labels, order, stages = *map(Path, sys.argv[1:3]), sys.argv[3], {}
    frame, seconds = timed(lambda: join(data, labels, order, stages))
    report(seconds=seconds, peak_mb=peak_mb(), rows=len(frame), stages=stages)
    frame.to_parquet(data/f"found_pandas_{order}_{labels.stem}.parquet")
