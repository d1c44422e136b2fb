"Nothing outside the home, whatever a person, a file or a server calls its things; a home of any name; what may not be used is said."
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aq_workbench.commands import cli
from aq_workbench.commands.plans import CityPlan, read_plans
from aq_workbench.commands.runs import run_name
from aq_workbench.core import AqwError, data_root, Settings
from aq_workbench.pipeline import save_results
from aq_workbench.registry import ModelRegistry
from aq_workbench.report.figures import forecast_window
from aq_workbench.store import FeatureStore
from aq_workbench.store.sync import sync_folder
from conftest import ROOT, aqw, need
from hypothesis import HealthCheck, given, settings as example_settings, strategies as st

ASKED = ("AQW_SOURCE", "AQW_TIMEOUT", "AQW_NOW", "AQW_STORE", "OPENAQ_URL", "OPENAQ_API_KEY", "MLFLOW_TRACKING_URI", "DRIFT_THRESHOLD")


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ASKED: monkeypatch.delenv(name, raising=False)


def typed(*words):
    "The exit code of `aqw` in this process, and all that it said."
    said, sys.argv = io.StringIO(), ["aqw", *words]
    try:
        with redirect_stdout(said), redirect_stderr(said): cli.main()
    except SystemExit as e: return int(e.code or 0), said.getvalue()
    return 0, said.getvalue()


def rain(**more):
    hours = pd.date_range("2016-02-29", periods=3, freq="h", tz="UTC")
    texts = {name: pd.Series([text] * 3, dtype=object) for name, text in more.items() if isinstance(text, str)}   # pandas' own text refuses some
    return pd.DataFrame({"city": "Delft", "location_id": "markt", "parameter": "pm25", "value": [1., 2., 3.], "event_ts": hours, **more, **texts})


def tree(folder, but):
    "Every file and folder outside `but`, with its bytes."
    kept = [p for p in sorted(folder.rglob("*")) if p != but and but not in p.parents]
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in kept}


class House:
    "A home deep in a folder of its own, with some data in it, and a working folder beside."
    def __init__(self, root):
        self.root, self.home, self.work = root, root / "a/b/c/home", root / "a/b/work"
        for folder in (self.home, self.work, root / "evil"): folder.mkdir(parents=True)
        (root / "evil/file.txt").write_text("leave me alone")
        FeatureStore(Settings(home=self.home, source="files")).save_features(rain())
        self.outside = tree(root, self.home)

    def files(self, name):
        "A file whose station and city somebody named, and its mapping."
        folder = self.home / "in"
        folder.mkdir(exist_ok=True)
        (folder / "x.csv").write_text("when,pm25\n2016-02-29 01:00,7\n")
        place = {"city": name, "location": name, "lat": 52., "lon": 4., "tz": "UTC", "licence": "CC0"}
        layout = {"time": {"column": "when", "stamp": "end", "zone": "UTC"}, "columns": {"pm25": {"parameter": "pm25", "unit": "µg/m³"}}}
        return folder, {**place, **layout}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house, before = House(tmp_path_factory.mktemp("house")), (os.getcwd(), sys.argv)
    os.environ["AQW_HOME"] = str(house.home)
    os.chdir(house.work)
    yield house
    os.chdir(before[0])
    sys.argv = before[1]
    del os.environ["AQW_HOME"]


def results_of_a_stranger(house, text):
    folder = house.home / "reports/runs/1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps({"source": text, "cities": {text: {"slug": text}}, "failed": {}}))
    return Settings().source


def cities_file(house, text):
    path = house.home / "cities.yaml"
    path.write_text(json.dumps({"cities": [{"name": text, "path": text}]}))
    try: return [run_name([p.name]) for p in read_plans(house.home)]
    finally: path.unlink()


def mapped(house, text):
    folder, mapping = house.files(text)
    sync_folder(FeatureStore(Settings(source="files")), folder, text, mapping=mapping)


def run_of(house, text): return save_results([], run=run_name([CityPlan(name=text).name]), settings=Settings(source="files"))


def group_of(house, text):
    store = FeatureStore(Settings(source="files"))
    store.save_features(pd.DataFrame({"event_ts": rain()["event_ts"], "x": 1.}), text)
    store.tag("first", group=text)
    assert len(store.load_features(text)) == 3


WRITERS = {
    "run --cities": run_of,
    "run's name": lambda house, text: save_results([], run=text, settings=Settings(source="files")),
    "fetch --mapping": mapped,
    "cities.yaml": cities_file,
    "results.json": results_of_a_stranger,
    "AQW_SOURCE": lambda house, text: data_root(Settings(source=text)).mkdir(parents=True, exist_ok=True),
    "group": group_of,
    "rows": lambda house, text: FeatureStore(Settings(source="files")).save_features(rain(city=text, location_id=text)),
    "group asked for": lambda house, text: FeatureStore(Settings(source="files")).load_features(text),
    "tag": lambda house, text: FeatureStore(Settings(source="files")).tag(text),
    "frame of a report": lambda house, text: forecast_window({"frames": {"forecast": text}}, house.home),
    "model asked for": lambda house, text: ModelRegistry(Settings(source="files")).load_model(text, city=text),
}
COMMANDS = {
    "fetch": ("fetch", "--source", "files", "--path", "nowhere", "--cities"), "train": ("train", "--source", "live", "--repeat"), "forecast": ("forecast",),
    "report": ("report",), "export city": ("export", "readings", "--source", "files", "--to", "../c/home/here.csv", "--city"), "export what": ("export",),
    "drift": ("drift", "--source", "files"), "models": ("models",), "search": ("cities", "search"), "source": ("status", "--source"), "reset": ("reset", "--yes", "--source"),
}
PIECES = ["..", "../..", "/", "\\", "~", "%2e%2e", "%2F", "\0", "\n", ":", "*", "?", "[x]", "[/]", "[bold]", "con", "NUL.txt", "evil", "a", " ", ".", "é", "北京", "🙂", "\udcff", "'", '"', ";",
          "$(id)", "-", "_", "=", "#", "|", "\u202e", "x" * 300, "../../../evil/zz", "/etc", "C:\\", "month=2016-02", "{a}", "<b>"]
NAMES = st.one_of(st.sampled_from(PIECES), st.lists(st.sampled_from(PIECES), min_size=2, max_size=4).map("".join), st.text(max_size=12))
SLOW = ("fetch --mapping", "search", "rows", "train", "model asked for")   # the gazetteer looks for near names, MLflow begins
TRIED = []


def try_name(house, way, text):
    "One hostile name, one way in: nothing outside changes, and a refusal is one of ours."
    TRIED.append(way)
    if way in WRITERS:
        try: WRITERS[way](house, text)
        except AqwError as e: assert e.do, e
    elif "\0" not in text:
        _, said = typed(*COMMANDS[way], text)
        assert "probably a bug" not in said and "Traceback" not in said, said
    before, house.outside = house.outside, tree(house.root, house.home)
    assert house.outside == before, f"{way} with {text!r} wrote outside"


@pytest.mark.parametrize("way", [*WRITERS, *COMMANDS])
def test_no_name_leads_out_of_the_home(house, way, request):
    many = 400 if request.config.getoption("--soak") else 2 if way in SLOW else 8
    @example_settings(max_examples=many, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(NAMES)
    def tried(text): try_name(house, way, text)
    tried()
    for text in ("q/../../../evil/zz", str(house.root / "evil/zz"))[way in SLOW:]: try_name(house, way, text)


@pytest.mark.soak
def test_a_run_with_a_hostile_city_stays_at_home(house, measured):
    done = aqw("fetch", "--source", "files", "--path", measured, "--cities", "q/../../../evil/zz", home=house.home)
    assert done.returncode == 1 and "is not in the data" in done.stdout + done.stderr
    assert tree(house.root, house.home) == house.outside


FOLDERS = ["Air quality = 100 %", "month=2016-02", "a#b?c", "São Paulo", "a&b;c", "it's", "x" * 200]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_home_of_any_name_keeps_its_store(tmp_path, name):
    store = FeatureStore(Settings(home=tmp_path / name, source="files"))
    store.save_features(rain())
    store.save_features(rain(value=[1., 2., 4.]))
    store.tag("paper")
    store.save_features(pd.DataFrame({"event_ts": rain()["event_ts"], "location_id": "markt", "x": 1.}), "mine")
    assert list(store.load_features()["value"]) == [1., 2., 4.]
    assert store.load_features(asof="2016-02-29T01:00Z")["value"].to_list() == [1., 2.]
    assert list(store.online(["markt"], {"mine": ["x"]})["x"]) == [1.]
    assert store.restore(0) == 2
    assert list(store.load_features()["value"]) == [1., 2., 3.]
    assert store.summary()["rows"].sum() > 0 and not store.quarantine().size
    assert [p.name for p in tmp_path.iterdir()] == [name], "nothing beside the home"


def test_a_home_of_any_name_keeps_its_models(tmp_path):
    from sklearn.linear_model import LinearRegression
    name = "a#b?c"   # the home of test_run.py is called Air quality = 100 %
    registry = ModelRegistry(Settings(home=tmp_path / name, source="files"))
    registry.log_model(LinearRegression().fit(np.arange(4.).reshape(-1, 1), np.arange(4.)), "line")
    registry.promote_model("line", 1, "Production")
    assert registry.load_model("line").predict([[9.]]) == pytest.approx(9)
    assert (tmp_path / name / "data/files/mlflow.db").exists()
    assert [p.name for p in tmp_path.iterdir()] == [name], "nothing beside the home"


@pytest.mark.parametrize("name", ["a%20b", "50%E4", "[x]", "a^b", "a|b"])
def test_a_home_that_cannot_be_carried_is_refused_before_anything_is_written(tmp_path, monkeypatch, name):
    monkeypatch.setenv("AQW_HOME", str(tmp_path / name))
    for words in (("status",), ("fetch", "--path", "."), ("doctor",)):
        code, said = typed(*words)
        assert code == 1 and "delta-rs" in said and "probably a bug" not in said, said
    assert typed("init", str(tmp_path / name))[0] == 1
    assert list(tmp_path.iterdir()) == []


WRONG = [
    ("run --workers -3", {}, "--workers -3", "from 0 to 512"),
    ("run --days 0", {}, "--days 0", "from 1 to 36500"),
    ("fetch --days -1", {}, "--days -1", "from 1"),
    ("tidy --keep-days -1", {}, "--keep-days -1", "from 1"),
    ("sandbox --stations 0", {}, "--stations 0", "from 1 to 50"),
    ("sandbox --days 9999", {}, "--days 9999", "to 2192"),
    ("sandbox --seed -1", {}, "--seed -1", "from 0"),
    ("run --asof yesterday", {}, "--asof: 'yesterday'", "2016-02-29"),
    ("train --asof 0024-01-01", {}, "--asof: '0024-01-01'", "1950 to 2099"),
    ("monitor --asof 2124-01-01", {}, "--asof: '2124-01-01'", "1950 to 2099"),
    ("forecast --asof 31.12.2025", {}, "--asof: '31.12.2025'", "2016-02-29"),
    ("export readings --start 2024-02-30", {}, "--start: '2024-02-30'", "2016-02-29"),
    ("run --source satellite", {}, "'satellite'", "live, sandbox, files"),
    ("run --path nowhere --cities Delft", {}, "nowhere", "--path"),
    ("run --path . --mapping nowhere.yaml --cities Delft", {}, "nowhere.yaml", "--mapping"),
    ("run --path . --cities Delft,DELFT", {}, "'Delft' and 'DELFT'", "once"),
    ("run --path . --cities ..", {}, "'..'", "name"),
    ("status", {"AQW_TIMEOUT": "-5"}, "AQW_TIMEOUT=-5", "greater than 0"),
    ("status", {"DRIFT_THRESHOLD": "5"}, "DRIFT_THRESHOLD=5", "less than 1"),
    ("status", {"MONITORING_WINDOW": "0"}, "MONITORING_WINDOW=0", "greater than or equal to 1"),
    ("status", {"AQW_GAS_TEMPERATURE_C": "900"}, "AQW_GAS_TEMPERATURE_C=900", "less than or equal to 50"),
    ("status", {"AQW_SOURCE": "foo"}, "AQW_SOURCE=foo", "'live', 'sandbox' or 'files'"),
    ("status", {"OPENAQ_URL": "nonsense"}, "OPENAQ_URL=nonsense", "https://api.openaq.org/v3"),
    ("status", {"MLFLOW_TRACKING_URI": "nonsense"}, "MLFLOW_TRACKING_URI", "postgresql://"),
    ("status", {"AQW_NOW": "yesterday"}, "AQW_NOW: 'yesterday'", "2016-02-29"),
    ("status", {"AQW_NOW": "2124-01-01"}, "AQW_NOW: '2124-01-01'", "1950 to 2099"),
]


@pytest.mark.parametrize("words, variables, came, allowed", WRONG)
def test_what_may_not_be_is_said_before_any_work(tmp_path, monkeypatch, words, variables, came, allowed):
    home = tmp_path / "home"
    for name, value in {"AQW_HOME": str(home), **variables}.items(): monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    code, said = typed(*words.split())
    said = " ".join(said.split())
    assert code == 1 and "probably a bug" not in said, said
    assert came in said and allowed in said, said
    assert not home.exists(), "nothing was written"


FILES = {"cities: 42": "no list of cities", "cities: [7]": "city 1", "cities: [Delhi]\ncities: [Agra]": "stands twice", "- Delhi": "no list of cities", "cities: [{name: Delhi, pth: x}]": "pth",
         "cities: [{name: Delhi, path: 3}]": "path", b"\xff\xfe\x00\x01": "not UTF-8", b"\x00\x01\x02": "no list of cities", "cities: [Delhi, delhi]": "one city"}


@pytest.mark.parametrize("content", FILES, ids=str)
def test_a_file_of_settings_that_cannot_be_used(tmp_path, monkeypatch, content):
    monkeypatch.setenv("AQW_HOME", str(tmp_path))
    (tmp_path / "cities.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, said = typed("run", "--source", "sandbox")
    assert code == 1 and FILES[content] in " ".join(said.split()) and "probably a bug" not in said, said
    assert [p.name for p in tmp_path.iterdir()] == ["cities.yaml"], "nothing was written"


NOBODY = """
import importlib, json, os, pkgutil, sys, webbrowser
sys.path.insert(0, sys.argv[1])
import aq_workbench
for m in pkgutil.walk_packages(aq_workbench.__path__, "aq_workbench."): importlib.import_module(m.name)
from test_home import typed
os.setgroups([]), os.setgid(65534), os.setuid(65534)
os.chdir("/")
for home, *commands in json.loads(sys.argv[2]):
    os.environ["AQW_HOME"] = home
    for words in commands: print(json.dumps([home, words, *typed(*words)]), flush=True)
"""
LOOKS = ["status", "fetch --source files --path {measured} --cities Beijing", "train --source files --cities Delft", "report", "init {home}/new", "export readings --source files --to {home}/x.csv",
         "tidy --source files --yes", "reset --source files --yes", "models --source files", "cities list", "drift Delft --source files", "mlflow --source files --no-browser", "doctor"]


def test_a_home_without_rights_is_said_and_left_alone(tmp_path, measured):
    "As another user: for root nothing is forbidden. The home is read only, unreadable, a file."
    need(hasattr(os, "setuid") and os.geteuid() == 0, "another user can be taken on by root only")
    homes = {"read": 0o555, "none": 0o000}
    for name, rights in homes.items():
        FeatureStore(Settings(home=tmp_path / name, source="files")).save_features(rain())
        for p in (tmp_path / name, *(tmp_path / name).rglob("*")): p.chmod(rights if p.is_dir() else rights & 0o444)
    (tmp_path / "file").touch(0o444)
    for p in (tmp_path, *list(tmp_path.parents)[:-2], measured, measured.parent): p.chmod(p.stat().st_mode | 0o055)
    before = tree(tmp_path, None)
    asked = [[str(tmp_path / n), *([w.format(measured=measured, home=tmp_path / n) for w in c.split()] for c in LOOKS)] for n in (*homes, "file")]
    done = subprocess.run([sys.executable, "-c", NOBODY, str(Path(__file__).parent), json.dumps(asked)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(heard) == 3 * len(LOOKS)
    for home, words, code, said in heard: assert "probably a bug" not in said and "Traceback" not in said, f"{home} {words}: {said}"
    for home, words, code, said in heard:
        if words[0] in ("fetch", "init", "doctor"): assert code == 1 and Path(home).name in said, f"{home} {words}: {said}"
    assert tree(tmp_path, None) == before


@pytest.mark.parametrize("words", ["status", "--help", "cities search Sao", "doctor", "fetch --path nowhere --cities São"])
def test_an_ascii_terminal_is_spoken_to(tmp_path, monkeypatch, words):
    monkeypatch.setenv("AQW_HOME", str(tmp_path))
    FeatureStore(Settings(home=tmp_path, source="files")).save_features(rain(city="São"))
    narrow, sys.argv = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), ["aqw", *words.split()]
    with redirect_stdout(narrow), redirect_stderr(narrow), pytest.raises(SystemExit): cli.main()
    narrow.flush()
    assert b"probably a bug" not in narrow.buffer.getvalue() and narrow.buffer.getvalue()


def test_names_in_suggested_commands_are_quoted():
    "A suggestion is pasted as it stands: a name in it goes through `quoted`."
    bare = re.compile(r"--(?:cities|city|path|mapping|to) \{(?!quoted|escape\(quoted)|aqw (?:forecast|drift|fetch|init|cities search) \{(?!quoted)")
    found = [f"{p.name}: {m[0]}" for p in (ROOT / "aq_workbench").rglob("*.py") for m in bare.finditer(p.read_text(encoding="utf-8"))]
    assert found == []
