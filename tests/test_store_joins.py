"What a moment could know: the join against a slow and obvious oracle, offline against online, and the leak that a plain join has."
from datetime import datetime, timedelta, timezone

import polars as pl
import pytest
from aq_workbench.core import Settings, TS
from aq_workbench.store import FeatureStore
from aq_workbench.store.point_in_time import row_age, entity_of, line_of, look_up, timeline
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ZERO = datetime(2016, 3, 1, tzinfo=timezone.utc)
KEYS = {"measured": ["location_id", "event_ts"], "issued": ["location_id", "event_ts", "issued_at"]}


def hour(h): return ZERO + timedelta(hours=h)


def frame(rows, key):
    times = {c: TS for c in ("event_ts", "issued_at", "available_ts", "created_ts")}
    columns = [*key, "available_ts", "created_ts", "value"]
    return pl.DataFrame(rows, schema={c: times.get(c, pl.Float64 if c == "value" else pl.String) for c in columns}, orient="row")


@st.composite
def histories(draw, kind):
    "Rows of a group: backfilled, late, corrected, duplicate and tied ones; each correction is written after what it corrects."
    rows, facts = [], {}
    for n in range(draw(st.integers(1, 25))):
        place, end, issued = draw(st.sampled_from("ab")), draw(st.integers(0, 8)), draw(st.integers(-6, 2))
        fact = (place, end, issued) if kind == "issued" else (place, end)
        start = issued if kind == "issued" else end
        known = start + draw(st.sampled_from([0, 0, 1, 1, 5, 40]))
        written = max(facts.get(fact, -1) + 1, draw(st.integers(0, 60)))
        if fact in facts: known = draw(st.sampled_from([known, written]))
        facts[fact] = written
        times = [hour(end), hour(issued)] if kind == "issued" else [hour(end)]
        rows.append((place, *times, hour(known), hour(written), float(n)))
        if draw(st.booleans()): rows.append(rows[-1])
    return frame(rows, KEYS[kind])


def oracle(rows, labels, key, at):
    "Of the rows that were visible, the newest; of these, the one written last."
    rows = rows.to_dicts()
    start = row_age(key)
    def known(label):
        seen = [r for r in rows if all(r[c] == label[c] for c in entity_of(key)) and max(r[start], r["available_ts"]) <= label[at]]
        return max(seen, key=lambda r: (r[start], r["created_ts"]))["value"] if seen else None
    return [known(label) for label in labels.to_dicts()]


def labels_of(kind):
    moments = [hour(h) + timedelta(minutes=m) for h in range(-7, 50, 3) for m in (0, 1)]
    hours = [hour(h) for h in (0, 3, 8)] if kind == "issued" else [None]
    return pl.DataFrame([(p, at, e) for p in "abc" for at in moments for e in hours], schema={"location_id": pl.String, "made": TS, "event_ts": TS}, orient="row")


def joined(rows, labels, key):
    return look_up(labels, line_of(timeline(rows, key), key), at=labels["made"], columns=["value"], age=row_age(key))["value"].to_list()


def leaky(rows, labels, key):
    "The join that everybody writes first: the newest row by its own time."
    age = row_age(key)
    one = rows.sort(age, "created_ts").unique(subset=[*entity_of(key), age], keep="last", maintain_order=True)
    found = labels.with_row_index("n").sort("made").join_asof(one.rename({age: "age"}).sort("age"), left_on="made", right_on="age", by=entity_of(key), check_sortedness=False)
    return found.sort("n")["value"].to_list()


@pytest.mark.parametrize("kind", KEYS)
def test_every_label_gets_what_it_could_know(kind):
    key, labels, seen = KEYS[kind], labels_of(kind), {"labels": 0, "leaks": 0}

    @settings(max_examples=examples(250), deadline=None, database=None, derandomize=True)
    @given(histories(kind))
    def check(rows):
        truth = oracle(rows, labels, key, "made")
        assert joined(rows, labels, key) == truth
        seen["labels"] += len(truth)
        seen["leaks"] += sum(a != b for a, b in zip(leaky(rows, labels, key), truth))

    check()
    assert seen["labels"] > examples(10_000) and seen["leaks"] > seen["labels"]/100, seen


@pytest.mark.parametrize("kind", KEYS)
def test_new_rows_on_an_old_timeline(kind):
    key, labels = KEYS[kind], labels_of(kind)

    @settings(max_examples=examples(100), deadline=None, database=None, derandomize=True)
    @given(histories(kind), st.integers(0, 25))
    def check(rows, cut):
        grown = timeline(pl.concat([timeline(rows.head(cut), key).drop("v"), rows.slice(cut)]), key)
        assert look_up(labels, line_of(grown, key), at=labels["made"], columns=["value"], age=row_age(key))["value"].to_list() == joined(rows, labels, key)

    check()


@pytest.fixture
def clock(monkeypatch):
    "Sets the present."
    return lambda h: monkeypatch.setenv("AQW_NOW", hour(h).isoformat())


@st.composite
def syncs(draw):
    "A few syncs, each at a later moment and with some hours of two stations."
    moment, found = 0, []
    for n in range(draw(st.integers(1, 5))):
        moment += draw(st.integers(1, 12))
        pairs = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=1, max_size=6, unique=True))
        found.append((moment, [(p, min(h, moment), float(draw(st.integers(0, 3)))) for p, h in {(p, min(h, moment)) for p, h in pairs}]))
    return found


@settings(max_examples=examples(25), deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(syncs())
def test_the_store_as_a_whole_agrees_with_the_oracle(tmp_path_factory, clock, made):
    "Written through the store, at moments of their own; asked of the join, of load_features and of online."
    store = FeatureStore(Settings(home=tmp_path_factory.mktemp("store")))
    for moment, rows in made:
        clock(moment)
        store.save_features(pl.DataFrame([(p, hour(h), v) for p, h, v in sorted(rows)], schema={"location_id": pl.String, "event_ts": TS, "value": pl.Float64}, orient="row"), "mine")
        store.prepare_index("mine")
    written, labels = store.group("mine").rows().collect(), labels_of("measured").drop("event_ts").filter(pl.col("location_id") != "c")
    truth = oracle(written, labels, KEYS["measured"], "made")
    assert store.training_frame(labels, "mine", at="made")["value"].to_list() == truth
    again = store.training_frame(labels, "mine", at="made", versions={"mine": store.version("mine")})
    assert again["value"].to_list() == truth, "with the index and without it"
    for at in {hour(m) for m, _ in made}:
        loaded = store.load_features("mine", asof=at).sort_values("event_ts").groupby("location_id").value.last()
        online = store.online(["a", "b"], "mine", asof=at)
        assert online["value"].to_list() == oracle(written, online, KEYS["measured"], "asof") == [loaded.get(p) for p in "ab"]


@pytest.mark.parametrize("days", [8, pytest.param(40, marks=pytest.mark.long)])
def test_online_is_what_training_saw(tmp_path, clock, days):
    "Two or ten thousand rows: what was served at a moment equals what a training gets for it, then and from that version for ever."
    import numpy as np
    rng, store, compared = np.random.default_rng(3), FeatureStore(Settings(home=tmp_path)), 0
    places, served = [f"s{n:02}" for n in range(50)], {}
    for day in range(1, days + 1):
        clock(24*day)
        rows = [(p, hour(h), float(rng.integers(0, 99))) for p in places for h in range(24*day - 30, 24*day + 1) if rng.random() < .3]
        version = store.save_features(pl.DataFrame(rows, schema={"location_id": pl.String, "event_ts": TS, "pm25": pl.Float64}, orient="row"), "mine")
        served[version] = pl.concat(store.online(places, "mine", asof=hour(24*day - 3*back)) for back in range(5))
    for version, rows in served.items():
        labels = rows.select("location_id", issued_at="asof")
        assert store.training_frame(labels, "mine", versions={"mine": version})["pm25"].equals(rows["pm25"])
        compared += rows.height
    assert compared == 250*days and pl.concat(served.values())["pm25"].null_count() < 25*days


def test_changing_the_future_changes_nothing(tmp_path, clock):
    store, base = FeatureStore(Settings(home=tmp_path)), pl.DataFrame({"location_id": ["a"]*48, "event_ts": [hour(h) for h in range(48)], "pm25": [float(h) for h in range(48)]})
    clock(48)
    store.save_features(base, "mine")
    labels = pl.DataFrame({"location_id": ["a"]*20, "issued_at": [hour(h) for h in range(20)]})
    before = store.training_frame(labels, "mine")
    clock(60)
    store.save_features(base.filter(pl.col("event_ts") >= hour(10)).with_columns(pm25=pl.lit(999.)), "mine")
    assert store.training_frame(labels, "mine").equals(before), "a correction of today is no feature of yesterday"
    assert store.training_frame(labels.with_columns(issued_at=pl.lit(hour(61)).cast(TS)), "mine")["pm25"].unique().to_list() == [999.]


def test_one_pair_of_asof_and_version_gives_the_same_bytes(tmp_path, clock):
    store, rows = FeatureStore(Settings(home=tmp_path)), pl.DataFrame({"location_id": ["a", "b"], "event_ts": [hour(0)]*2, "pm25": [1., 2.]})
    clock(1)
    version = store.save_features(rows, "mine")
    before = store.load_features("mine", asof=hour(30), version=version)
    for h, value in ((20, 3.), (25, 4.)):
        clock(h)
        store.save_features(rows.with_columns(pm25=pl.lit(value)), "mine")
    store.withdraw(store.batches("mine")["batch_id"][0], "a test", group="mine")
    assert store.load_features("mine", asof=hour(30), version=version).to_csv() == before.to_csv()
    assert store.load_features("mine", asof=hour(30))["pm25"].tolist() == [4., 4.]
