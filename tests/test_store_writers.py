"Many writers, killed writers, torn files, full disks: no row is lost, none is there twice, and an error says what to do."
import itertools
import os
import random
import shutil
import signal
import statistics
import subprocess
import time

import polars as pl
import pytest
from aq_workbench.core import AqwError, Broken, Settings
from aq_workbench.store import FeatureStore, open_delta
from aq_workbench.store.tables import read_own
from conftest import PATIENCE, Worker, aqw, need
from store_worker import frame, stations_of

KEY = ["location_id", "event_ts"]


def store_at(home, **settings): return FeatureStore(Settings(home=home, **settings))


def ledger_of(store, group): return read_own(store.root / f"_{group}_batches", None)


def check_versions(store, group):
    "Versions without a gap, each with just the rows that its commit says it added; one set of metadata."
    told = store.versions(group).sort_values("version")
    assert told["version"].tolist() == list(range(len(told)))
    sizes = [int(pl.DataFrame(open_delta(store.root / group, v).get_add_actions(flatten=True))["num_records"].sum()) for v in told["version"]]
    wrote = told["rows"].where(told["what"] == "WRITE", 0)
    assert sizes == wrote.cumsum().tolist()
    log = (store.root / group).local / "_delta_log"
    assert sum(path.read_text().count('{"metaData"') for path in log.glob("*.json")) == 1


def test_four_writers_a_reader_and_a_cleaner(tmp_path, crew, request, capsys):
    "Sixty hours in miniature: every hour once, corrections in order, and nobody ever reads half a batch."
    hours, stations = (60 if request.config.getoption("--soak") else 6), 25
    options = {"home": tmp_path, "hours": hours, "stations": stations, "until": time.time() + PATIENCE, "expected": 4 * hours}
    *writers, reader, cleaner = crew.together([{"job": "hourly", "name": name, **options} for name in "abcd"] + [{"job": "read", **options}, {"job": "clean", **options}])
    assert reader[-1].get("reads") and reader[-1]["hours"] == 4 * hours, reader
    store, saved = store_at(tmp_path), [word for said in writers for word in said[:-1]]
    now = store.scan("hourly").collect()
    expected = {(s, h): -h - 1 if h % 5 == 3 and h + 1 < hours else h for name in "abcd" for s in stations_of(name, stations) for h in range(hours)}
    assert {(s, int(e.timestamp() - 1456790400) // 3600): v for s, e, v in now.select(*KEY, "pm25").iter_rows()} == expected and now.height == len(expected)
    rows = store.group("hourly").rows().collect()
    assert rows.height == sum(w["added"] + w["corrected"] for w in saved) == stations * len(saved)
    assert ledger_of(store, "hourly").group_by("batch_id").agg(pl.col("added").sum()).sort("batch_id").rows() == sorted((w["batch"], stations) for w in saved)
    for word in saved[::7]: assert word["batch"] in set(store.group("hourly").rows(word["version"]).collect()["batch_id"]), "what was acknowledged is in the version that it was acknowledged with"
    check_versions(store, "hourly")
    told = [said[-1] for said in writers]
    with capsys.disabled():
        print(f"\n4 writers: {sum(t['writes'] for t in told)} writes, {sum(t['retries'] for t in told)} retries, {max(t['seconds'] for t in told):.1f} s, "
              f"{store.version('hourly') + 1} versions, {reader[-1]['reads']} reads beside them, {cleaner[-1]['rounds']} cleanings; lost or doubled 0")


def test_four_writers_of_the_same_facts(tmp_path, crew):
    "They see each other: a fact is written again only where its value changes, and the newest counts."
    saved = sum(crew.together([{"job": "same", "home": tmp_path, "name": name, "first": 6 * i, "rounds": 6} for i, name in enumerate("abcd")]), [])
    store = store_at(tmp_path)
    rows = store.group("same").rows().collect().sort(*KEY, "created_ts")
    assert rows.height == sum(w["added"] + w["corrected"] for w in saved)
    assert sum(w["added"] for w in saved if w["batch"] == "one batch") == 24, "one batch, written by four, is stored once"
    before = rows.with_columns(pl.col("pm25", "created_ts").shift().over(KEY).name.prefix("old_")).filter(pl.col("old_created_ts").is_not_null())
    assert before.height and before.filter(pl.col("pm25") == pl.col("old_pm25")).is_empty(), "no value twice in a row"
    assert before.filter(pl.col("created_ts") <= pl.col("old_created_ts")).is_empty() and before.filter(pl.col("available_ts") != pl.col("created_ts")).is_empty()
    now = store.scan("same").collect()
    assert now.height == now.select(KEY).n_unique() == 24 + 30
    last = rows.group_by(KEY).agg(pl.col("pm25").last())
    assert now.select(*KEY, "pm25").sort(KEY).equals(last.sort(KEY))
    for word in saved:
        there = store.group("same").rows(word["version"]).collect()
        expected = frame(["shared"], word["hours"], word["value"], "")
        assert expected.join(there, on=[*KEY, "pm25"], how="anti").is_empty(), "what was acknowledged is there"
    assert set(ledger_of(store, "same")["batch_id"]) == {w["batch"] for w in saved}
    check_versions(store, "same")


def test_four_writers_make_a_group(tmp_path, crew):
    "The first rows of a group, at one moment: one of the writers makes the table, the others append to it."
    saved = sum(crew.together([{"job": "born", "home": tmp_path, "name": name, "groups": 8} for name in "abcd"]), [])
    store = store_at(tmp_path)
    assert store.groups() == [f"born{i}" for i in range(8)]
    for i in range(8):
        mine, rows = [w for w in saved if w["group"] == f"born{i}"], store.group(f"born{i}").rows().collect()
        assert sum(w["added"] for w in mine) == rows.height == rows.select(KEY).n_unique() == (12 if i % 2 else 3) and not any(w["corrected"] for w in mine)
        assert set(ledger_of(store, f"born{i}")["batch_id"]) == ({"one batch"} if i % 4 == 0 else set("abcd"))
        assert not list((store.root / f"born{i}").local.glob("draft*"))
        check_versions(store, f"born{i}")


def test_four_hands_on_the_small_tables(tmp_path, crew):
    "Quarantine, names of versions, index and withdrawals, by four at one moment."
    store = store_at(tmp_path)
    for n in range(4): store.save_features(frame(["d0"], [n], n, f"b{n}"), "mine")
    store.save_features(frame(["d0"], [9], 9, "wrong"), "mine")
    refused, tagged, index, withdrawn = zip(*crew.together([{"job": "small", "home": tmp_path, "version": i} for i in range(4)]))
    assert sorted(w["refused"] for w in refused) == [0, 0, 0, 1] and len(store.quarantine()) == 1
    names = [t["tagged"] for t in tagged if t["tagged"] is not None]
    assert len(names) == 1 and store.versions("mine").query("tag == 'paper'")["version"].tolist() == names
    assert all("is version" in t["why"] for t in tagged if t["tagged"] is None)
    assert all(i["known"] in ([9], [3]) for i in index) and store.online(["d0"], "mine", asof="2030-01-01")["pm25"].to_list() == [3]
    assert sum(w["withdrawn"] or 0 for w in withdrawn) == 1 and all("no rows of batch" in w["why"] for w in withdrawn if w["withdrawn"] is None)
    history = store.group("mine").history(location_id="d0")
    assert history.height == 5 and history.filter(pl.col("reason") == "twice")["pm25"].to_list() == [9], "on record once"


STEPS = ["save", "correct", "again", "compact", "withdraw", "restore", "index", "tag"]


class Model:
    "What the store has to hold, by the steps that were acknowledged."
    def __init__(self): self.writes, self.at, self.loads = [], {}, {}

    def after(self, kind, name, target):
        "What is there after a step: writes in their order."
        if kind in ("save", "correct", "again") and name not in [n for n, _ in self.writes]: return [*self.writes, (name, target)]
        if kind == "withdraw": return [(n, t) for n, t in self.writes if n != name]
        return self.at[target] if kind == "restore" else self.writes

    def next(self, chance, n, kind):
        "A step that makes sense now."
        if len(self.writes) < 3: kind = "save"
        if kind == "save": return kind, f"b{n}", {"hours": list(range(3 * n, 3 * n + 3)), "value": n}
        if kind == "correct": return kind, f"b{n}", {"hours": chance.choice(self.writes)[1]["hours"], "value": 1000 + n}
        if kind == "again": return kind, *chance.choice(list(self.loads.items()))
        if kind == "withdraw": return kind, chance.choice(self.writes)[0], None
        if kind == "restore": return kind, "", chance.choice(list(self.at)[-8:])
        return kind, f"t{n}", None

    def acknowledge(self, kind, name, target, version):
        self.writes = self.after(kind, name, target)
        self.at[version] = self.writes
        if kind in ("save", "correct"): self.loads[name] = target

    def values(self): return {(s, h): float(t["value"]) for _, t in self.writes for h in t["hours"] for s in ("d0", "d1")}


def sizes(writes): return {name: 2 * len(target["hours"]) for name, target in writes}


def test_killed_at_random_moments(tmp_path, request, capsys):
    "A writer is killed in the middle of whatever it does; what it had acknowledged is there once, what it had not can be done again."
    kills, chance, model, n = (100 if request.config.getoption("--soak") else 10), random.Random(7), Model(), itertools.count()
    took, killed, done, todo, spare = [.15], [], 0, None, Worker()
    while True:
        worker, spare = spare, Worker()
        worker.result()
        worker.send(job="churn", home=tmp_path)
        found = worker.hear()
        before, after = sizes(model.writes), sizes(model.after(*todo) if todo else model.writes)
        assert found["twice"] == 0 and found["found"] in (before, after), (todo, found)
        done += found["found"] != before
        for left in reversed(range(chance.randint(2, 4) if killed else 1)):
            last = not left and len(killed) < kills
            repeated, todo = todo is not None, todo or model.next(chance, next(n), STEPS[len(killed) % 8] if last else chance.choice(["save"] * 5 + STEPS))
            begun = time.time()
            worker.send(**dict(zip(("kind", "name", "target"), todo)))
            if last: break
            said = worker.hear()
            took.append(time.time() - begun)
            assert not said["failed"] or repeated and "no rows of batch" in said["failed"], (todo, said)
            model.acknowledge(*todo, said["version"])
            todo = None
        if not last: break
        time.sleep(chance.uniform(0, 2) * statistics.median(took[-20:]))
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.end()
        killed.append(todo[0])
    for w in (worker, spare): w.end()
    store = store_at(tmp_path)
    rows, now = store.group("churn").rows().collect(), store.scan("churn").collect()
    assert dict(rows.group_by("batch_id").len().iter_rows()) == sizes(model.writes)
    assert {(s, int(e.timestamp() - 1456790400) // 3600): v for s, e, v in now.select(*KEY, "pm25").iter_rows()} == model.values() and now.height == len(model.values())
    assert {name for name, _ in model.writes} <= set(ledger_of(store, "churn")["batch_id"])
    last = max(h for _, h in model.values())
    assert store.online(["d0", "d1"], "churn", asof="2030-01-01")["pm25"].to_list() == [model.values()[s, last] for s in ("d0", "d1")]
    with capsys.disabled():
        steps = ", ".join(f"{killed.count(k)} {k}" for k in sorted(set(killed)))
        print(f"\n{len(killed)} kills ({steps}; {done} had changed the store by then): {len(took) - 1} steps acknowledged, {store.version('churn') + 1} commits, {rows.height} rows; lost 0, doubled 0")


def filled(home, n):
    store = store_at(home)
    for i in range(n): store.save_features(frame(["d0", "d1"], [i], i, f"b{i}"), "mine")
    return store


def test_torn_checkpoint(tmp_path, crew):
    "What a dying machine leaves: a checkpoint cut in half. Four readers meet it at once; nothing is missing, and writing goes on."
    store = filled(tmp_path, 25)
    log = (store.root / "mine").local / "_delta_log"
    torn = sorted(log.glob("*.checkpoint*.parquet"))
    assert torn and (log / "_last_checkpoint").exists()
    for path in torn: path.write_bytes(path.read_bytes()[:300])
    assert crew.together([{"job": "look", "home": tmp_path}] * 4) == [[{"rows": 50}]] * 4
    assert store.write(frame(["d0"], [99], 1, "after"), "mine").added == 1 and store.load_features("mine", version=3).shape[0] == 8


def break_commit(change):
    def damage(store):
        path = sorted(((store.root / "mine").local / "_delta_log").glob("*.json"))[-1]
        whole = path.read_text()
        path.write_text(change(whole))
        return lambda: path.write_text(whole)
    return damage


def lose(pattern, which):
    def damage(store):
        path = sorted((store.root / "mine").local.glob(pattern))[which]
        aside = path.rename(path.with_suffix(".aside"))
        return lambda: aside.rename(path)
    return damage


DAMAGE = {
    "newest commit empty": break_commit(lambda whole: ""),
    "newest commit half": break_commit(lambda whole: whole[: len(whole) // 2]),
    "commit in the middle lost": lose("_delta_log/*.json", 2),
    "data file lost": lose("month=*/*.parquet", 0),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_broken_tables_say_so(tmp_path, damage):
    "Nobody gets half an answer, nothing is written to it, and once it is whole again everything is there."
    store, new = filled(tmp_path, 5), frame(["d0"], [99], 1, "after")
    repair = DAMAGE[damage](store)
    for call in (lambda: store.load_features("mine"), lambda: store.save_features(new, "mine"), lambda: store.online(["d0"], "mine"), lambda: store.history("mine")):
        with pytest.raises(Broken, match="mine cannot be used") as e: call()
        assert "restore" in e.value.do
    if damage == "newest commit empty":
        told = aqw("status", home=tmp_path)
        assert told.returncode == 1 and "Traceback" not in told.stderr and "is an empty file" in told.stderr and "->" in told.stderr
    repair()
    assert len(store.load_features("mine")) == 10 and store.write(new, "mine").added == 1 and store.write(new, "mine").added == 0


def test_a_writer_that_died_before_its_first_commit(tmp_path):
    store = store_at(tmp_path)
    for group in ("mine", "_mine_batches"): (store.root / group / "_delta_log").local.mkdir(parents=True)
    assert store.groups() == [] and store.save_features(frame(["d0"], [0], 1, "b"), "mine") == 0 and len(store.load_features("mine")) == 1


@pytest.fixture
def small_disk(tmp_path):
    "A real disk of 2 MB."
    place = tmp_path / "small"
    place.mkdir()
    need(shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True).returncode == 0, "a small disk needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_full_disk_at_every_step(small_disk):
    "Some pages are left: for the rows, for their commit, for the ledger. Whatever did not fit is said, and goes in when there is room."
    store, fell = filled(small_disk, 1), []
    for n, (pages, group) in enumerate(itertools.product((0, 1, 2, 3, 4, 5, 12), ("mine", "new{}"))):
        group, rows = group.format(n), frame(stations_of("s", 300), range(3 * n, 3 * n + 3), n, f"full{n}")
        there = len(store.load_features(group)) if group in store.groups() else 0
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 4096 * pages))
        try: fell.append(store.write(rows, group).added)
        except AqwError as e:
            fell.append(e.what)
            assert f"the disk of {store.root}" in e.what and "full" in e.what and "free some space" in e.do
            assert group not in store.groups() or len(store.load_features(group)) in (there, there + 900), "all of it or nothing"
        filler.unlink()
        store.write(rows, group)
        assert store.write(rows, group).unchanged == 900 and len(store.load_features(group)) == there + 900 == store.group(group).rows().collect().height
        assert not list(small_disk.rglob("*draft*"))
    assert 900 in fell and any("_batches" in str(f) for f in fell) and any(str(f).endswith("new1 is full; everything that was stored before is safe") for f in fell), fell
