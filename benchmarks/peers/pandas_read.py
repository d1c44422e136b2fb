"A city's month by pandas: the whole table read, then filtered.    python pandas_read.py TABLE CITY START END"
import sys

import pandas as pd
from deltalake import DeltaTable
from measure import peak_mb, report, timed


def read(table, city, start, end):
    frame = DeltaTable(table).to_pandas()
    return frame[(frame.city == city) & frame.event_ts.between(pd.Timestamp(start), pd.Timestamp(end), inclusive="left")]


if __name__ == "__main__":
    frame, seconds = timed(lambda: read(*sys.argv[1:]))
    report(seconds=seconds, peak_mb=peak_mb(), rows=len(frame))
