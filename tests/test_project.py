"A folder of the user's own, from the command line: made, looked over, run with edited notebooks, emptied again."
import json
import re
import zipfile

import pytest
from aq_workbench.core import data_root, Settings
from aq_workbench.pipeline import one_run
from aq_workbench.sandbox import run_sandbox
from aq_workbench.store import FeatureStore
from conftest import ROOT, aqw

GOOD, REFUSED = "a1" * 32, "0" * 64
AT = {"AQW_NOW": "2026-01-15T10:30Z", "OPENAQ_API_KEY": "", "COLUMNS": "80"}


def words(done): return " ".join((done.stdout + done.stderr).replace("│", " ").split())


def edit(home, name, before, after):
    path = home / "notebooks/pipelines" / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    "A project with an edited notebook, in which a simulated Delhi has been fetched; what each command said."
    home = tmp_path_factory.mktemp("work") / "air"
    made = aqw("init", home, home=home.parent, **AT)
    edit(home, "1_ingest.ipynb", "# 1 · Ingest", "# My ingest")
    return home, made, aqw("fetch", "--cities", "Delhi", "--days", "5", home=home, **AT)


def test_init_says_what_to_do_next(project):
    home, made, _ = project
    assert made.returncode == 0 and "cd air" in made.stdout and "aqw doctor" in made.stdout
    assert all(len(line) <= 80 for line in made.stdout.splitlines() if str(home.parent) not in line)
    assert (home / "README.md").exists() and (home / "notebooks/dashboard/monitoring.ipynb").exists()


def test_runs_execute_the_edited_notebook(project):
    home, _, fetched = project
    assert "SIMULATED cities (no OPENAQ_API_KEY is set" in words(fetched)
    assert fetched.returncode == 0 and "Notebooks: yours" in words(fetched) and "1_ingest" in words(fetched), words(fetched)
    assert "# My ingest" in next(home.glob("reports/runs/*/delhi/1_ingest.ipynb")).read_text(encoding="utf-8")
    again = aqw("init", home, home=home, **AT)
    assert "Left alone" in again.stdout and "Made" not in again.stdout
    assert "# My ingest" in (home / "notebooks/pipelines/1_ingest.ipynb").read_text(encoding="utf-8")


def test_a_copy_that_lost_a_parameter_is_refused(project, tmp_path):
    aqw("init", tmp_path, home=tmp_path, **AT)
    edit(tmp_path, "1_ingest.ipynb", '"days = 400', '"history = 400')
    done = aqw("fetch", "--cities", "Delhi", "--days", "5", home=tmp_path, **AT)
    failed = json.loads(next(tmp_path.glob("reports/runs/*/results.json")).read_text(encoding="utf-8"))["failed"]["Delhi"]
    assert done.returncode == 1 and "has no parameters ['days']" in failed["reason"] and failed["do"]


def test_doctor_in_a_project(project):
    home = project[0]
    done = aqw("doctor", "--json", home=home, **AT)
    found = {f["about"]: f for f in json.loads(done.stdout)}
    assert done.returncode == int(any(f["state"] == "fail" for f in found.values()))
    assert found["data/sandbox"]["state"] == found["store"]["state"] == "ok" and found["OpenAQ key"]["state"] == found["clock"]["state"] == "warn"
    assert found["notebooks"]["found"].startswith("yours: 1_ingest")
    shown = aqw("doctor", home=home, **AT).stdout
    assert max(map(len, shown.splitlines())) <= 80 and "-> " in shown


@pytest.fixture(scope="module")
def service():
    with run_sandbox(cities=["Delhi"], stations=2, days=5) as url: yield url


def with_key(key, url, *arguments, home): return aqw(*arguments, home=home, OPENAQ_API_KEY=key, OPENAQ_URL=url, COLUMNS="80")


@pytest.mark.parametrize("key, says", [(REFUSED, "is refused: OpenAQ answered 401"), ("a1" * 31, "is no key: it has 62 characters")], ids=["refused", "malformed"])
def test_a_wrong_key_is_told_before_anything_runs(service, key, says, tmp_path):
    done = with_key(key, service, "run", home=tmp_path)
    assert done.returncode == 1 and says in words(done) and "set in the environment" in words(done) and "--source sandbox" in words(done)
    assert not list(tmp_path.glob("reports/runs/*")) and "Traceback" not in words(done)
    seen = with_key(key, service, "doctor", home=tmp_path)
    assert seen.returncode == 1 and key not in words(done) + words(seen)


def test_a_key_in_env_is_named_by_its_file(service, tmp_path):
    (tmp_path / ".env").write_text(f"OPENAQ_API_KEY={REFUSED}\nOPENAQ_URL={service}\n")
    (tmp_path / "cities.yaml").write_text("cities: [Delhi]\n")
    done = aqw("fetch", home=tmp_path)
    assert done.returncode == 1 and str(tmp_path / ".env") in words(done) and REFUSED not in words(done)


def test_a_good_key_goes_on_and_a_sandbox_stays_simulated(service, tmp_path):
    done = with_key(GOOD, service, "fetch", "--cities", "Delhi", "--days", "3", home=tmp_path)
    assert done.returncode == 0 and "SIMULATED cities (OPENAQ_URL leads to a sandbox" in words(done), words(done)
    assert FeatureStore(Settings(home=tmp_path, source="sandbox")).groups() and not (tmp_path / "data/live").exists()
    seen = with_key(GOOD, service, "doctor", "--json", home=tmp_path)
    assert {f["about"]: f["state"] for f in json.loads(seen.stdout)}["OpenAQ key"] == "ok"


def test_nobody_answers(tmp_path):
    with run_sandbox(cities=["Delhi"], days=2) as url: pass
    done = with_key(GOOD, url, "fetch", "--cities", "Delhi", home=tmp_path)
    assert done.returncode == 1 and "no connection to 127.0.0.1" in words(done) and "--source sandbox" in words(done)


def test_a_newer_data_root_is_left_alone(tmp_path):
    root = tmp_path / "data/sandbox"
    root.mkdir(parents=True)
    (root / "aqw.json").write_text('{"kind": "sandbox", "layout": 2, "aqw_version": "9.1"}')
    (root / "shelf").touch()
    for command in (("fetch", "--cities", "Delhi", "--days", "3"), ("status", "--source", "sandbox"), ("models", "--source", "sandbox"), ("reset", "--yes")):
        done = aqw(*command, home=tmp_path, **AT)
        assert done.returncode == 1 and "newer aq_workbench (9.1, layout 2)" in words(done) and "pip install -U" in words(done), words(done)
    assert sorted(p.name for p in root.iterdir()) == ["aqw.json", "shelf"]
    assert aqw("doctor", home=tmp_path, **AT).returncode == 1


def test_reset_waits_for_no_run_and_gives_everything_back(project):
    home = project[0]
    settings = Settings(home=home, source="sandbox")
    before = FeatureStore(settings).load_features()
    with one_run(settings):
        busy = aqw("reset", "--yes", "--backup", home=home, **AT)
        assert busy.returncode == 1 and "another run is at work" in words(busy) and not (home / "backups").exists()
    mine = {p: p.read_bytes() for p in home.rglob("*") if p.is_file() and p.relative_to(home).parts[0] not in ("data", "reports")}
    done = aqw("reset", "--runs", "--yes", "--backup", home=home, **AT)
    assert done.returncode == 0 and "reports/runs" in done.stdout and f"{len(before):,}" in done.stdout, words(done)
    assert FeatureStore(settings).groups() == [] and not list(home.glob("reports/runs/*")) and all(p.read_bytes() == was for p, was in mine.items())
    zipfile.ZipFile(next(home.glob("backups/*.zip"))).extractall(home)
    assert FeatureStore(settings).load_features().equals(before) and (data_root(settings) / "aqw.json").exists()


def test_the_example_of_settings_shows_every_setting_and_its_default(monkeypatch, tmp_path):
    "A line that is not commented out holds the default; the others name a setting that exists."
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    shown = dict(re.fullmatch(r"#? ?([A-Z_]+)=(.*)", line).groups() for line in lines if re.match(r"#? ?[A-Z_]+=", line))
    fields = {f.alias or f"AQW_{name.upper()}": name for name, f in Settings.model_fields.items() if name != "home"}
    assert set(shown) == set(fields)
    for name in fields: monkeypatch.delenv(name, raising=False)
    bare = Settings(home=tmp_path)
    plain = [line for line in lines if re.match(r"[A-Z_]+=", line)]
    (tmp_path / ".env").write_text("\n".join(plain), encoding="utf-8")
    assert plain and Settings(home=tmp_path) == bare
