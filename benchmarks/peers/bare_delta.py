"Bare Delta appends of the rows in a folder's parquet files, one commit a file, with the columns that the table has.    python bare_delta.py TABLE FOLDER"
import sys
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake
from measure import peak_mb, report, timed


def batches(table, folder):
    "The rows of each file as they would lie in the table."
    there = [pl.scan_delta(table).head(0).collect()] if DeltaTable.is_deltatable(table) else []
    for file in sorted(Path(folder).glob("*.parquet")): yield pl.concat([*there, pl.read_parquet(file).with_columns(month=pl.col("event_ts").dt.strftime("%Y-%m"))], how="diagonal")


if __name__ == "__main__":
    table, folder = sys.argv[1:]
    rows = list(batches(table, folder))
    report(calls=[timed(lambda: write_deltalake(table, r, mode="append", partition_by=["month"]))[1] for r in rows], peak_mb=peak_mb())
