"Point-in-time join by polars: from the prepared index on disk to the finished frame.    python polars_pit.py DATA LABELS"
import sys
import warnings
from pathlib import Path

import polars as pl
from measure import peak_mb, report, timed

warnings.filterwarnings("ignore", "Sortedness of columns")


def join(data, labels):
    "The labels with the columns of both groups."
    frame = pl.read_parquet(labels).sort("location_id", "issued_at").lazy()
    for group in ("air", "weather"): frame = frame.join_asof(pl.scan_ipc(data/f"{group}_index.arrow"), left_on="issued_at", right_on="v", by="location_id")
    return frame.drop("v", strict=False).collect()


if __name__ == "__main__":
    data, labels = map(Path, sys.argv[1:])
    frame, seconds = timed(lambda: join(data, labels))
    report(seconds=seconds, peak_mb=peak_mb(), rows=frame.height)
    frame.write_parquet(data/f"found_polars_{labels.stem}.parquet")
