"The newest features of every entity by Feast's sqlite online store, call by call.    python feast_online.py DATA CALLS"
import sys
from pathlib import Path

import pandas as pd
from feast_repo import repository
from measure import peak_mb, report, timed

if __name__ == "__main__":
    data, calls = Path(sys.argv[1]), int(sys.argv[2])
    store, features = repository(data)
    times = pd.read_parquet(data/"air.parquet", columns=["location_id", "event_ts"])
    rows = [{"location_id": e} for e in times.location_id.unique()]
    last = times.event_ts.max().to_pydatetime()
    _, preparing = timed(lambda: store.materialize(last - pd.Timedelta("1D"), last))
    lookup = lambda: store.get_online_features(features=features, entity_rows=rows).to_df()
    found = lookup()
    seconds = [timed(lookup)[1] for _ in range(calls)]
    report(calls=seconds, peak_mb=peak_mb(), preparing=preparing, sums=[float(found[f"{g}_0"].sum()) for g in ("air", "weather")])
