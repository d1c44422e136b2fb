"""A process that works on feature stores, for tests of writers: jobs come in as lines of JSON, and lines of JSON go out.

What it has said is acknowledged: that has to be there whatever happens to the process.
"""
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import polars as pl
from aq_workbench.core import AqwError, Settings, TS
from aq_workbench.store import FeatureStore, tidy_store
from aq_workbench.store.tables import compact
from aq_workbench.store.writing import FeatureGroup

ZERO = datetime(2016, 3, 1, tzinfo=timezone.utc)


def say(**words): print(json.dumps(words), flush=True)


def frame(stations, hours, value, batch):
    "Rows of a group: each station at each hour, with one value."
    rows = [(s, ZERO + timedelta(hours=h), float(value), batch) for s in stations for h in hours]
    return pl.DataFrame(rows, schema={"location_id": pl.String, "event_ts": TS, "pm25": pl.Float64, "batch_id": pl.String}, orient="row")


def stations_of(name, n): return [f"{name}{i}" for i in range(n)]


attempts = []   # to write; those beyond the writes are retries


def counted(work):
    def attempt(*args, **options):
        attempts.append(work)
        return work(*args, **options)
    return attempt


def wait_until(moment):
    while time.time() < moment: pass


def hourly(store, job):
    "Append an hour at a time, and correct the hour before now and then."
    writes, begun, earlier = 0, time.time(), len(attempts)
    for h in range(job["hours"]):
        for hour, value in [(h, h)] + ([(h - 1, -h)] if h % 5 == 4 else []):
            done = store.write(frame(stations_of(job["name"], job["stations"]), [hour], value, f"{job['name']}-{hour}-{value}"), "hourly")
            writes += 1
            say(batch=f"{job['name']}-{hour}-{value}", **done._asdict())
    say(writes=writes, retries=len(attempts) - earlier - writes, seconds=time.time() - begun)


def same(store, job):
    "Write the same facts as others, with a value for each round; the hours of two writers overlap, the last round is one batch for all."
    for r in range(job["rounds"]):
        hours = range(job["first"], job["first"] + 12)
        done = store.write(frame(["shared"], hours, r, f"{job['name']}-{r}"), "same")
        say(batch=f"{job['name']}-{r}", value=r, hours=list(hours), **done._asdict())
    done = store.write(frame(["all"], range(24), 1, "one batch"), "same")
    say(batch="one batch", value=1, hours=[], **done._asdict())


def born(store, job):
    "Save the first rows of new groups, each at an agreed moment: in even ones the same rows as the others, in odd ones rows of one's own."
    for i in range(job["groups"]):
        rows = frame([job["name"] if i % 2 else "shared"], range(3), 1, "one batch" if i % 4 == 0 else job["name"])
        wait_until(job["at"] + .25 * i)
        say(group=f"born{i}", **store.write(rows, f"born{i}")._asdict())


def small(store, job):
    "At one moment: refuse the same rows, give a name to another version, update the index, withdraw the same batch."
    wait_until(job["at"])
    refused = pl.DataFrame({"batch_id": ["bad"], "name": ["a.csv"], "line": [7], "reason": ["no unit"], "row": ["{}"]})
    say(refused=store.refuse(refused))
    try: say(tagged=store.tag("paper", job["version"], "mine"))
    except AqwError as e: say(tagged=None, why=e.what)
    say(index=store.prepare_index("mine"), known=store.online(["d0"], "mine", asof="2030-01-01")["pm25"].to_list())
    try: say(withdrawn=store.withdraw("wrong", "twice", "mine"))
    except AqwError as e: say(withdrawn=None, why=e.what)


def read(store, job):
    "Read again and again: no batch may be there in part, none may go, and no fact may be there twice."
    reads, before = 0, set()
    while time.time() < job["until"]:
        if "hourly" not in store.groups(): continue
        rows = store.scan("hourly").select("location_id", "event_ts", "pm25").collect()
        hours = rows.group_by(name=pl.col("location_id").str.head(1), hour="event_ts").agg(n=pl.len(), kinds=pl.col("pm25").n_unique())
        there = set(hours.select("name", pl.col("hour").cast(pl.String)).iter_rows())
        torn = hours.filter((pl.col("n") != job["stations"]) | (pl.col("kinds") != 1))
        if torn.height or before - there: return say(torn=torn.rows(named=True), gone=sorted(before - there))
        reads, before = reads + 1, there
        if len(there) == job["expected"]: break
    say(reads=reads, hours=len(before))


def look(store, job): say(rows=len(store.load_features("mine")))


def clean(store, job):
    "Put files together and clear away, again and again."
    rounds = 0
    while time.time() < job["until"]:
        if "hourly" not in store.groups(): continue
        if store.scan("hourly").collect().height == job["expected"] * job["stations"]: break
        tidy_store(store, keep_days=1, dry_run=False)
        rounds += 1
    say(rounds=rounds)


def step(store, kind, name, target):
    "One step of `churn`."
    if kind in ("save", "correct", "again"): store.write(frame(["d0", "d1"], target["hours"], target["value"], name), "churn")
    if kind == "compact": compact(store.root / "churn", sort=["location_id"], many=2)
    if kind == "withdraw": store.withdraw(name, "wrong", "churn")
    if kind == "restore": store.restore(target, "churn")
    if kind == "index": store.online(["d0"], "churn", asof="2030-01-01")
    if kind == "tag": store.tag(name, group="churn")


def churn(store, job):
    "Say what is there, then take the steps that come in, until somebody kills this process."
    rows = store.group("churn").rows().collect() if "churn" in store.groups() else frame([], [], 0, "")
    say(found=dict(rows.group_by("batch_id").len().iter_rows()), twice=int(rows.select("location_id", "event_ts", "batch_id").is_duplicated().sum()))
    for line in iter(sys.stdin.readline, ""):
        failed = None
        try: step(store, **json.loads(line))
        except AqwError as e: failed = e.what
        say(version=store.version("churn"), failed=failed)


JOBS = {f.__name__: f for f in (hourly, same, born, small, read, look, clean, churn)}

if __name__ == "__main__":
    FeatureGroup.write_once = counted(FeatureGroup.write_once)
    say(ready=True)
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        JOBS[job["job"]](FeatureStore(Settings(home=job["home"], **job.get("settings", {}))), job)
        say(ready=True)
