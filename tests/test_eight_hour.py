"The maximum 8-hour mean of a day against the words of each standard, written out hour by hour."
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from math import floor

import polars as pl
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from aq_workbench.aqi import daily_max_8h

HOUR = timedelta(hours=1)


def window(values, start):
    "The values of the eight hours from a start, those that are there."
    return [values[start + i * HOUR] for i in range(8) if start + i * HOUR in values]


def counted(values, starts, filler, level, of_present):
    "What the windows of a day are worth, those with enough hours and those that a substitute lifts above the level."
    for start in starts:
        there = window(values, start)
        if len(there) >= 6: yield Fraction(sum(there), len(there))
        elif there and filler is not None:
            filled = Fraction(sum(there) + (8 - len(there)) * filler, 8)
            if floor(filled) > level: yield Fraction(sum(there), len(there)) if of_present else filled


def by_the_words(values, day, rule):
    "value (Fraction or None) and number of windows of a day; `values` is by the start of the hour."
    midnight = datetime.combine(day, datetime.min.time())
    starts = {"US": [midnight + h * HOUR for h in range(7, 24)],
              "US_2008": [midnight + h * HOUR for h in range(24)],
              "EU": [midnight + (h - 8) * HOUR for h in range(1, 25)],
              "CN": [midnight + h * HOUR for h in range(17)]}[rule]
    filler, level, least = {"US": (0, 70, 13), "US_2008": (Fraction(5, 2), 75, 18), "EU": (None, None, 18), "CN": (None, 160, 14)}[rule]
    if rule.startswith("US"): values = {k: Fraction(floor(v)) for k, v in values.items()}
    worth = list(counted(values, starts, filler, level, rule == "US"))
    if rule.startswith("US"): worth = [Fraction(floor(w)) for w in worth]
    highest = max(worth, default=None)
    enough = len(worth) >= least or level is not None and highest is not None and highest > level
    return (highest if enough else None), len(worth)


@pytest.mark.parametrize("rule", ["US", "US_2008", "EU", "CN"])
@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 400)), min_size=1, max_size=90), st.integers(0, 23), st.sampled_from([-8, 0, 5.5, 8]), st.randoms())
def test_every_day_is_as_the_words_have_it(rule, tenths, first, offset, random):
    "Values have one half as their smallest step, and gaps lie anywhere; rows come in any order."
    began = datetime(2024, 2, 28, first)
    values = {began + i * HOUR: Fraction(v, 2) for i, v in enumerate(tenths) if v is not None}
    rows = [("a", (start + HOUR - timedelta(hours=offset)).replace(tzinfo=timezone.utc), float(v)) for start, v in values.items()]
    rows += [("b", ts, 500.) for _, ts, _ in rows]
    random.shuffle(rows)
    frame = pl.DataFrame(rows, schema={"location_id": pl.String, "event_ts": pl.Datetime("us", "UTC"), "value": pl.Float64}, orient="row")
    found = daily_max_8h(frame, rule=rule, offset=offset).filter(location_id="a")
    days = sorted({start.date() for start in values})
    assert found["day"].to_list() == ([days[0] + timedelta(days=i) for i in range((days[-1] - days[0]).days + 1)] if days else [])
    for row in found.iter_rows(named=True):
        value, n = by_the_words(values, row["day"], rule)
        assert (row["value"], row["n_windows"], row["valid"]) == (None if value is None else float(value), n, value is not None)
