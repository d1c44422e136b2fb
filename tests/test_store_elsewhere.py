"Past one machine: the store in an S3 bucket, and its tables read as they are by polars, DuckDB and Dask."
import json
import subprocess
import sys
from pathlib import Path

import dask.dataframe as dd
import duckdb
import httpx
import pandas as pd
import polars as pl
import pytest
from aq_workbench.core import Settings, Unreachable
from aq_workbench.store import FeatureStore, open_delta, tidy_store
from aq_workbench.store.places import bucket_of
from aq_workbench.store.tables import compact, read_own
from conftest import PATIENCE, aqw
from deltalake import DeltaTable
from store_worker import frame

KEY = ["location_id", "event_ts"]
SERVER = Path(__file__).with_name("s3_server.py")


@pytest.fixture(scope="module")
def s3():
    "Storage options of an S3 with the bucket `bucket`."
    server = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    url = f"http://127.0.0.1:{int(server.stdout.readline())}"
    options = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
    httpx.put(f"{url}/bucket", timeout=PATIENCE).raise_for_status()
    yield options
    server.kill()
    server.wait()


def in_bucket(home, s3, name): return FeatureStore(Settings(home=home, source="files", store=f"s3://bucket/{name}", storage_options=s3))


def life(store, monkeypatch):
    "Everything that a store is asked to do, and what it answers."
    told = {}
    def at(moment): monkeypatch.setenv("AQW_NOW", moment)
    at("2016-03-02T12:00Z")
    told["first"] = store.write(frame(["d0", "d1"], range(3), 1, "b1"), "mine", units={"pm25": "µg/m³"})
    at("2016-03-04T12:00Z")
    told["correction"] = store.write(frame(["d0"], [1], 2, "b2"), "mine")
    told["replay"] = store.write(frame(["d0", "d1"], range(3), 1, "b1"), "mine")
    told["wrong"] = store.write(frame(["d1"], range(3, 5), 99, "b3"), "mine")
    told["tag"] = store.tag("paper", group="mine")
    labels = pd.DataFrame({"location_id": ["d0", "d0", "d1"], "issued_at": pd.to_datetime(["2016-03-03T00:00Z", "2016-03-05T00:00Z", "2016-03-05T00:00Z"])})
    told["joined"] = store.training_frame(labels, "mine")
    told["withdrawn"] = store.withdraw("b3", "wrong column", "mine")
    told["joined again"] = store.training_frame(labels, "mine")
    told["online"] = store.online(["d0", "d1", "d2"], "mine").to_pandas()
    for name, query in {"now": {}, "as of": {"asof": "2016-03-03"}, "version": {"version": 0}, "tagged": {"version": "paper"}}.items(): told[name] = store.load_features("mine", **query)
    told["history"] = store.history("mine", location_id="d1")
    told["diff"] = store.diff(0, "paper", "mine")
    told["restored"] = store.restore("paper", "mine")
    told["after"] = store.load_features("mine")
    told["refused"] = store.refuse(pl.DataFrame({"batch_id": ["bad"], "name": ["a.csv"], "line": [7], "reason": ["no unit"], "row": ["{}"]}))
    told["quarantine"] = store.quarantine()
    told["described"], told["batches"], told["groups"] = store.describe("mine"), store.batches("mine"), store.groups()
    told["versions"] = store.versions("mine")[["version", "what", "rows", "message", "tag"]]
    tidy_store(store, dry_run=False)
    told["tidied"] = store.load_features("mine")
    told["joined last"] = store.training_frame(labels, "mine")
    told["latest"] = store.get_latest_features("mine", n=2)
    monkeypatch.delenv("AQW_NOW")
    return told


def test_a_store_in_a_bucket_answers_as_one_on_a_disk(tmp_path, s3, monkeypatch):
    disk, bucket = life(FeatureStore(Settings(home=tmp_path, source="files")), monkeypatch), life(in_bucket(tmp_path, s3, "air"), monkeypatch)
    assert disk["first"].added == 6 and disk["correction"].corrected == 1 and disk["replay"].unchanged == 6 and disk["withdrawn"] == 2 and list(disk["now"]["pm25"]) == [1, 1, 2, 1, 1, 1]
    assert list(disk["joined"]["pm25"]) == [1, 1, 99] and list(disk["joined again"]["pm25"]) == [1, 1, 1] and disk["groups"] == ["mine"]
    for question, answer in disk.items():
        if isinstance(answer, pd.DataFrame): pd.testing.assert_frame_equal(bucket[question], answer, obj=question)
        else: assert bucket[question] == answer, question
    assert not (tmp_path / "data/files/store/air").exists()


@pytest.mark.long
def test_two_writers_in_a_bucket(tmp_path, s3, crew):
    "A conditional put lets one of them be first; nothing is lost, nothing is there twice."
    settings = {"source": "files", "store": "s3://bucket/two", "storage_options": s3}
    saved = sum(crew.together([{"job": "same", "home": tmp_path, "settings": settings, "name": name, "first": 6 * i, "rounds": 3} for i, name in enumerate("ab")]), [])
    born = sum(crew.together([{"job": "born", "home": tmp_path, "settings": settings, "name": name, "groups": 2} for name in "ab"]), [])
    store = in_bucket(tmp_path, s3, "two")
    rows = store.group("same").rows().collect().sort(*KEY, "created_ts")
    assert rows.height == sum(w["added"] + w["corrected"] for w in saved)
    assert rows.filter(pl.col("pm25") == pl.col("pm25").shift().over(KEY)).is_empty() and store.scan("same").collect().height == 24 + 18
    assert sum(w["added"] for w in saved if w["batch"] == "one batch") == 24
    assert set(read_own(store.root / "_same_batches", None)["batch_id"]) == {w["batch"] for w in saved}
    assert [sum(w["added"] for w in born if w["group"] == g) for g in ("born0", "born1")] == [3, 6] == [len(store.load_features(g)) for g in ("born0", "born1")]


def test_an_index_in_a_bucket_outlives_its_files(tmp_path, s3):
    "Parts that are gone, and data files that compaction and vacuum took before the index had seen them."
    store = in_bucket(tmp_path, s3, "index")
    known = lambda: in_bucket(tmp_path, s3, "index").online(["d0"], "mine", asof="2030-01-01")["pm25"].to_list()
    store.save_features(frame(["d0"], [0], 1, "b0"), "mine")
    assert known() == [1]
    for n in (1, 2): store.save_features(frame(["d0"], [n], n, f"b{n}"), "mine")
    gone = open_delta(store.root / "mine").file_uris()
    compact(store.root / "mine", many=2)
    bucket_of(store.root / "mine").delete([f.split("/mine/")[1] for f in gone])
    assert known() == [2]
    index = bucket_of(store.root / "_index_mine")
    index.delete([o["path"] for chunk in index.list() for o in chunk if o["path"] != "index.json"])
    assert known() == [2] and store.group("mine").current_index().version == 3


def test_commands_on_a_bucket(tmp_path, s3):
    environment = {"AQW_STORE": "s3://bucket/told", "AQW_STORAGE_OPTIONS": json.dumps(s3), "AQW_SOURCE": "files"}
    store = in_bucket(tmp_path, s3, "told")
    for n in range(3): store.save_features(frame(["d0"], [n], n, f"b{n}"), "mine")
    status, tidy = aqw("status", home=tmp_path, **environment), aqw("tidy", "--yes", home=tmp_path, **environment)
    assert status.returncode == 0 and "mine" in status.stdout and "secret" not in status.stdout, status.stderr
    assert tidy.returncode == 0 and "The store is tidy" in tidy.stdout and len(open_delta(store.root / "mine").file_uris()) == 1, tidy.stderr


def test_a_bucket_that_is_not_there(tmp_path, s3):
    store = FeatureStore(Settings(home=tmp_path, store="s3://nowhere/air", storage_options=s3))
    for call in (lambda: store.save_features(frame(["d0"], [0], 1, "b"), "mine"), store.groups):
        with pytest.raises(Unreachable, match="cannot be used") as e: call()
        assert "AQW_STORAGE_OPTIONS" in e.value.do and "secret" not in str(e.value)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    "A store with corrections, a withdrawn batch, a new column, a step back and compacted files; and its current rows."
    store = FeatureStore(Settings(home=tmp_path_factory.mktemp("air quality")))
    for n in range(12): store.save_features(frame(["d0", "d1"], range(60 * n, 60 * n + 60), n, f"b{n}"), "mine")
    store.save_features(frame(["d0"], range(100, 200), -1, "late"), "mine")
    store.save_features(frame(["d1"], [5], 99, "wrong"), "mine")
    store.withdraw("wrong", "wrong column", "mine")
    store.restore(10, "mine")
    store.save_features(frame(["d0"], range(100, 200), -1, "late again").with_columns(note=pl.lit("mended")), "mine", new_columns=True)
    compact(store.root / "mine", sort=["location_id"], many=2)
    store.save_features(frame(["d2"], [3], 7, "last").with_columns(note=pl.lit(None, pl.String)), "mine")
    return store, facts(store.load_features("mine"))


def facts(frame):
    "Rows of any kind of frame, in one order."
    rows = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
    return rows.select("location_id", pl.col("event_ts").dt.epoch("s"), "pm25", "note").sort("event_ts", "location_id").rows()


CURRENT = "select location_id, event_ts, pm25, note from {} qualify row_number() over (partition by location_id, event_ts order by created_ts desc) = 1"


def test_polars_reads_the_table(shelf):
    store, expected = shelf
    rows = pl.scan_delta(open_delta(store.root / "mine")).sort("created_ts").group_by(KEY).agg(pl.col("pm25", "note").last())
    assert facts(rows.collect()) == expected


def test_duckdb_reads_the_table(shelf):
    "As an Arrow dataset of the Delta log, and as the log's Parquet files."
    store, expected = shelf
    dataset, files = open_delta(store.root / "mine").to_pyarrow_dataset(), open_delta(store.root / "mine").file_uris()
    assert duckdb.sql("select count(*) from dataset where month = '2016-03'").fetchall() == [(store.group("mine").rows().filter(pl.col("event_ts").dt.month() == 3).collect().height,)]
    assert facts(duckdb.sql(CURRENT.format("dataset")).pl()) == expected
    assert facts(duckdb.sql(CURRENT.format(f"read_parquet({files}, union_by_name=true, hive_partitioning=true)")).pl()) == expected


def test_duckdb_reads_from_a_bucket(tmp_path, s3):
    store = in_bucket(tmp_path, s3, "duck")
    for n in (1, 2): store.save_features(frame(["d0"], [0], n, f"b{n}"), "mine")
    dataset = DeltaTable("s3://bucket/duck/files/mine", storage_options=s3).to_pyarrow_dataset()  # noqa: F841
    assert duckdb.sql("select max_by(pm25, created_ts), count(*) from dataset").fetchall() == [(2, 2)]


def test_dask_reads_the_table(shelf):
    store, expected = shelf
    files = open_delta(store.root / "mine").file_uris()
    rows = dd.read_parquet(files)
    assert rows.npartitions == len(files) > 1
    assert facts(rows.sort_values("created_ts").drop_duplicates(KEY, keep="last").compute()) == expected


def test_spark_can_read_the_table(shelf):
    """Every Delta reader since the first, Spark's and Trino's too, reads protocol 1 without features.

    Deletion vectors, column mapping and times without a zone would each raise it, and so would a checkpoint of the second kind.
    """
    store, _ = shelf
    for name in ("mine", "_mine_batches", "_mine_withdrawn"):
        table, log = open_delta(store.root / name), (store.root / name).local / "_delta_log"
        protocol = table.protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version, protocol.reader_features, protocol.writer_features) == (1, 2, None, None)
        told = [json.loads(line) for path in log.glob("*.json") for line in path.read_text().splitlines()]
        assert not any(a["add"].get("deletionVector") for a in told if "add" in a) and not any("columnMapping" in key for key in table.metadata().configuration)
        fields = {f.name: str(f.type) for f in table.schema().fields}
        assert fields.pop("found", "ArrayType(StructType(").startswith("ArrayType(StructType("), "a list of records is as old as the protocol"
        assert set(fields.values()) <= {f'PrimitiveType("{t}")' for t in ("string", "double", "timestamp", "long")}
