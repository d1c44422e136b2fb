"""Random histories of one store against a brute-force model of its rules (DESIGN, Contracts).

The model keeps every row and every load in plain lists, and asks the rules of all of them at each question.
"""
import os
from collections import Counter
from datetime import datetime, timedelta, timezone
from tempfile import mkdtemp
from typing import NamedTuple

import polars as pl
import pytest
from aq_workbench.core import Missing, Settings, TS
from aq_workbench.store import FeatureStore, tidy_store
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

ZERO, HOURS, STATIONS, VALUES = datetime(2016, 2, 29, tzinfo=timezone.utc), 6, ("a", "b"), (60., 80.)


def hour(h): return ZERO + timedelta(hours=h)


class Row(NamedTuple):
    "One row of the store."
    station: str
    hour: int
    value: float
    created: datetime
    known: datetime   # available_ts
    batch: str


class Load(NamedTuple):
    "What one load of a batch says about one station: the hours that it asked for, and those that it brought."
    batch: str
    station: str
    first: int
    last: int
    brought: frozenset
    version: int


class Model:
    "The rules, by brute force."
    def __init__(self): self.rows, self.loads, self.versions = [], [], {}

    def current(self, rows):
        "The row of each fact that was written last."
        return {(r.station, r.hour): r for r in sorted(rows, key=lambda r: r.created)}

    def write(self, batch, facts, now, asked):
        "What a load adds: new, corrected, repeated; the rows, and what it says of each station."
        there, new, corrected = self.current(self.rows), [], []
        for (station, h), value in facts.items():
            before = there.get((station, h))
            missed = any(l.batch != batch and l.station == station and l.first <= h <= l.last and h not in l.brought for l in self.loads)
            replayed = any(l.batch == batch and l.station == station for l in self.loads)
            if before is None: new.append(Row(station, h, value, now, now if missed else hour(h), batch))
            elif before.value != value and not replayed:
                moment = max(now, before.created + timedelta(microseconds=1))
                corrected.append(Row(station, h, value, moment, moment, batch))
        self.rows = self.rows + new + corrected
        return len(new), len(corrected), len(facts) - len(new) - len(corrected)

    def note(self, batch, facts, asked, fresh, version):
        "Keep what a load covered, unless it is a replay that brought nothing."
        for station in {s for s, _ in facts}:
            hours = [h for s, h in facts if s == station]
            known = any(l.batch == batch and l.station == station for l in self.loads)
            if known and station not in fresh: continue
            self.loads.append(Load(batch, station, min([*hours, *asked]), max([*hours, *asked]), frozenset(hours), version))

    def withdraw(self, batch):
        gone = [r for r in self.rows if r.batch == batch]
        loads = [l for l in self.loads if l.batch != batch]
        known = len(gone) > 0 or len(loads) < len(self.loads)
        self.rows, self.loads = [r for r in self.rows if r.batch != batch], loads
        return len(gone) if known else None

    def restore(self, version, newest):
        "The rows of an old version; what was loaded since counts as not loaded, what is there again as loaded."
        self.rows = self.versions[version]
        self.loads = [l for l in self.loads if l.version <= version]
        for batch, station in sorted({(r.batch, r.station) for r in self.rows} - {(l.batch, l.station) for l in self.loads}):
            hours = [r.hour for r in self.rows if (r.batch, r.station) == (batch, station)]
            self.loads.append(Load(batch, station, min(hours), max(hours), frozenset(hours), newest))

    def visible(self, asof=None, version=None):
        "What a question for a moment and a version should find."
        rows = self.rows if version is None else self.versions[version]
        if asof is not None: rows = [r for r in rows if max(hour(r.hour), r.known) <= asof]
        return sorted((r.station, r.hour, r.value) for r in self.current(rows).values())


FACTS = st.dictionaries(st.tuples(st.sampled_from(STATIONS), st.integers(0, HOURS - 1)), st.sampled_from(VALUES), min_size=1, max_size=8)
ASKED = st.one_of(st.just(()), st.tuples(st.integers(0, HOURS - 1), st.integers(0, HOURS - 1)).map(lambda pair: tuple(sorted(pair))))
steps = Counter()


class Histories(RuleBasedStateMachine):
    "A store and its model, led through the same history."
    @initialize(facts=FACTS, more=FACTS)
    def begin(self, facts, more):
        "A batch, and one that holds all of it and more."
        self.store, self.model, self.moments, self.newest = FeatureStore(Settings(home=mkdtemp())), Model(), [hour(HOURS)], None
        self.batches = {"b0": (facts, ()), "b1": (more | facts, ())}
        for batch in self.batches: self.write(batch)

    def tick(self):
        self.moments.append(self.moments[-1] + timedelta(hours=1))
        os.environ["AQW_NOW"] = self.moments[-1].isoformat()
        return self.moments[-1]

    def keep_versions(self):
        "A write may be followed by commits that put files together: they hold the same rows."
        self.newest = self.store.version()
        self.model.versions.update({v: self.model.rows for v in range(self.newest + 1) if v not in self.model.versions})

    def write(self, batch):
        steps["loads"] += 1
        facts, asked, now = *self.batches[batch], self.tick()
        rows = [("x", s, "pm25", hour(h), v, batch) for (s, h), v in facts.items()]
        frame = pl.DataFrame(rows, schema={"city": pl.String, "location_id": pl.String, "parameter": pl.String, "event_ts": TS, "value": pl.Float64, "batch_id": pl.String}, orient="row")
        before = self.model.rows
        expected = self.model.write(batch, facts, now, asked)
        saved = self.store.write(frame, asked=tuple(map(hour, asked)) or None)
        assert (saved.added, saved.corrected, saved.unchanged) == expected
        fresh = {r.station for r in self.model.rows[len(before):]}
        self.keep_versions()
        self.model.note(batch, facts, asked, fresh, self.newest)

    @rule(data=st.data(), facts=FACTS, asked=ASKED, new=st.booleans())
    def load(self, data, facts, asked, new):
        "A batch of its own, or some rows of an earlier one, some of them with another value."
        if not new:
            earlier, asked = self.batches[data.draw(st.sampled_from(sorted(self.batches)))][0], ()
            facts = {k: data.draw(st.sampled_from((v, v, *VALUES))) for k, v in sorted(earlier.items()) if data.draw(st.booleans())} or facts
        batch = f"b{len(self.batches)}"
        self.batches[batch] = facts, asked
        self.write(batch)

    @rule(data=st.data())
    def load_again(self, data):
        self.write(data.draw(st.sampled_from(sorted(self.batches))))

    @rule(data=st.data())
    def withdraw(self, data):
        steps["withdrawals"] += 1
        batch = data.draw(st.sampled_from(sorted(self.batches)))
        self.tick()
        expected = self.model.withdraw(batch)
        if expected is None:
            with pytest.raises(Missing, match="has no rows of batch"): self.store.withdraw(batch)
        else: assert self.store.withdraw(batch, "wrong") == expected
        self.keep_versions()

    @rule(data=st.data())
    def withdraw_one_and_load_another_again(self, data):
        "The way out of a wrong load that a person takes."
        self.withdraw(data)
        self.load_again(data)

    @rule(data=st.data())
    def restore(self, data):
        steps["steps back"] += 1
        version = data.draw(st.integers(0, self.newest))
        self.tick()
        newest = self.store.restore(version)
        self.model.restore(version, newest)
        self.keep_versions()

    @precondition(lambda self: self.newest and self.newest % 3 == 0)
    @rule()
    def tidy(self):
        steps["compactions"] += 1
        tidy_store(self.store, dry_run=False)
        self.keep_versions()

    def found(self, **query):
        rows = self.store.scan(**query).select("location_id", "event_ts", "value").collect()
        return sorted((s, int((t - ZERO).total_seconds()) // 3600, v) for s, t, v in rows.iter_rows())

    @invariant()
    def agrees(self):
        asof = (hour(HOURS // 2), *self.moments)[self.newest * 7 % (len(self.moments) + 1)]
        for query in ({}, {"asof": asof}, {"asof": asof, "version": self.newest // 2}):
            assert self.found(**query) == self.model.visible(**query)

    def teardown(self): os.environ.pop("AQW_NOW", None)


def test_histories_of_loads(request, capsys):
    "Loads, overlaps, corrections, withdrawals, steps back, compaction: the store answers as the rules say."
    long = request.config.getoption("--soak")
    run_state_machine_as_test(Histories, settings=settings(
        max_examples=150 if long else 8, stateful_step_count=25 if long else 6, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck)))
    with capsys.disabled(): print(f"\nhistories of loads: {sum(steps.values())} steps, {dict(steps)}")
