"""Point-in-time join by Feast on its duckdb offline store, from the raw parquet to the finished frame.
    python feast_pit.py DATA LABELS default|created
`default` calls `get_historical_features` as the documentation does; `created` adds `filter_by_created_timestamp`."""
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from feast_repo import repository
from measure import peak_mb, report, timed

if __name__ == "__main__":
    data, labels, way = *map(Path, sys.argv[1:3]), sys.argv[3]
    (store, features), preparing = timed(lambda: repository(data))
    asked = pd.read_parquet(labels).rename(columns={"issued_at": "event_timestamp"})
    options = {"filter_by_created_timestamp": True} if way == "created" else {}
    frame, seconds = timed(lambda: store.get_historical_features(entity_df=asked, features=features, **options).to_df())
    report(seconds=seconds, peak_mb=peak_mb(), rows=len(frame), preparing=preparing, versions={p: version(p) for p in ("feast", "duckdb", "ibis-framework", "pandas")})
    frame.rename(columns={"event_timestamp": "issued_at"}).to_parquet(data/f"found_feast_{way}_{labels.stem}.parquet")
