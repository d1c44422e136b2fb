"Helpers of the tests that need more than Python: a missing tool skips with its reason, or fails where everything must run."
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import pandas as pd
import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 3600   # s; ends a test that hangs, and says nothing about how fast anything is


def need(found, reason):
    "Skip unless `found` (a truth value, or a program's name or path) is there; with AQW_REQUIRE_ALL=1 fail instead."
    if isinstance(found, str):
        found = shutil.which(found)
    if not found:
        (pytest.fail if os.environ.get('AQW_REQUIRE_ALL') == '1' else pytest.skip)(reason)


if "--soak" in sys.argv: os.environ["AQW_SOAK"] = "1"   # for xdist's workers too
THOROUGH = "1" in (os.environ.get("AQW_REQUIRE_ALL"), os.environ.get("AQW_SOAK"))


def examples(n, soak=None):
    "How many examples a property is tried on: all of them in .ci/run, a fifth by a person who waits, `soak` in a soak."
    if soak and os.environ.get("AQW_SOAK") == "1": return soak
    return n if THOROUGH else max(n // 5, 5)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run the long tests too")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.path.name not in ("test_run.py", "test_wheel.py"))  # the long ones first
    if config.getoption("--soak"): return
    for item in items:
        if "soak" in item.keywords: item.add_marker(pytest.mark.skip(reason="long; run with --soak"))
        if "long" in item.keywords and not THOROUGH: item.add_marker(pytest.mark.skip(reason="longer; .ci/run and --soak run it"))


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: a long test")
    config.addinivalue_line("markers", "long: a test of .ci/run, which a person need not wait for")


@pytest.fixture(scope="session")
def shared():
    "Folder of measured data that is no part of the project."
    folder = Path(os.environ.get("AQW_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.exists(): pytest.skip(f"no measured data at {folder}; set AQW_SHARED")
    return folder


def aqw_process(*arguments, home, **environment):
    "Run the aqw command in a process of its own, for what a process has to itself: its streams' encoding, its limits."
    command = [str(Path(sys.executable).with_name("aqw")), *map(str, arguments)]
    env = {**os.environ, "AQW_HOME": str(home), "COLUMNS": "160", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=home, timeout=PATIENCE)


def aqw(*arguments, home, **environment):
    "Run the aqw command as a person would, without the seconds that a new process takes to import everything."
    from aq_workbench.commands import main
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    words = [*map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        for name, value in {"AQW_HOME": str(home), "COLUMNS": "160", **environment}.items(): patch.setenv(name, value)
        patch.chdir(home)
        patch.setattr(sys, "argv", ["aqw", *words])
        try: code = main() or 0
        except SystemExit as e: code = int(e.code or 0)
    said = [stream.buffer.getvalue().decode("utf-8") for stream in streams]
    return subprocess.CompletedProcess(["aqw", *words], code, *said)


def executed(notebook, to, parameters):
    "What `run_notebook` gives and leaves, from this process: without the seconds that a kernel takes to import everything."
    import nbformat
    from aq_workbench.pipeline.notebooks import check_parameters, result_of
    from execnb.nbio import dict2nb, write_nb
    from execnb.shell import CaptureShell
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    made = parameterize_notebook(load_notebook_node(str(notebook)), check_parameters(notebook, parameters))
    cells, main, there = dict2nb(json.loads(nbformat.writes(made))), sys.modules["__main__"], to / notebook.name
    to.mkdir(parents=True, exist_ok=True)
    try: CaptureShell(there).run_all(cells, exc_stop=True)
    finally: sys.modules["__main__"] = main   # a shell takes its place
    write_nb(cells, there)
    return result_of(there)


def run_here(city, *, home, source, stages=("fetch", "train", "forecast", "monitor"), report=False, **options):
    "A run of a city in this process: its notebooks and its results.json, whose folder is given."
    from aq_workbench.core import Settings
    from aq_workbench.pipeline.notebooks import CityResult, Job, notebook_for, parameters_for, save_results, STAGES
    from aq_workbench.commands.runs import run_name
    settings, name = Settings(home=home, source=source), run_name([city])
    while (Path(home) / "reports/runs" / name).exists(): name += "-again"
    folder, job = Path(home) / "reports/runs" / name, Job(city, run=name, home=str(home), source=source, stages=stages, **options)
    results = {s: executed(notebook_for(home, STAGES[s]), folder / city.lower(), parameters_for(job, s, folder / city.lower())) for s in stages}
    path = save_results([CityResult(city, results, dict.fromkeys(stages, 1.0))], run=name, settings=settings)
    if report: executed(notebook_for(home, "5_report"), folder, {"results": str(path), "folder": str(folder / "report")})
    return folder


@pytest.fixture
def running_clock(monkeypatch):
    "The clock of the machine, for what needs one moment to come after another; `AQW_NOW` holds it still."
    monkeypatch.delenv("AQW_NOW", raising=False)


class Server:
    "An aqw command that serves: its process, what it has printed, and where it says that it can be found."
    ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")

    def __init__(self, *arguments, home, **environment):
        command = [str(Path(sys.executable).with_name("aqw")), *map(str, arguments)]
        env = {**os.environ, "AQW_HOME": str(home), "PYTHONUNBUFFERED": "1", **environment}
        self.process = subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said, self.told, self.address = "", Event(), None
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.said += line
            if found := self.ADDRESS.search(line):
                self.address = self.address or found[0]
                self.told.set()
        self.told.set()

    @property
    def url(self):
        assert self.told.wait(PATIENCE) and self.address, self.said
        return self.address

    def answer(self, path="/"):
        "The first answer; who asks waits for as long as the server lives."
        until = time.monotonic() + PATIENCE
        while True:
            try: return httpx.get(self.url + path, follow_redirects=True, timeout=PATIENCE)
            except httpx.TransportError:
                assert self.process.poll() is None and time.monotonic() < until, self.said
                time.sleep(.1)

    def family(self):
        "The command and its children."
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def ended(self):
        "Tell only the command itself to end: its exit code, and who of its children is left."
        family = self.family()
        self.process.terminate()
        return self.process.wait(PATIENCE), psutil.wait_procs(family[1:], timeout=PATIENCE)[1]


def heard(server):
    "The addresses at which a server and its children listen."
    return {c.laddr.ip for p in server.family() for c in p.net_connections() if c.status == "LISTEN"}


@contextmanager
def serving(*arguments, home, **environment):
    "An aqw server; it and its children are ended afterwards."
    server = Server(*arguments, home=home, **environment)
    try: yield server
    finally:
        family = server.family() if server.process.poll() is None else []
        for p in reversed(family): p.terminate()
        server.process.wait(PATIENCE)
        assert not psutil.wait_procs(family[1:], timeout=PATIENCE)[1], "nothing is left running"
        server.reader.join(PATIENCE)


class Worker:
    "A process that works on feature stores, one job after the other (store_worker.py)."
    def __init__(self):
        command, env = [sys.executable, str(ROOT / "tests/store_worker.py")], {**os.environ, "AQW_NOW": ""}
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def send(self, **words):
        self.process.stdin.write(json.dumps(words, default=str) + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def result(self):
        "All that it says until it is ready for the next job."
        return list(iter(self.hear, {"ready": True}))

    def end(self):
        self.process.kill()
        self.process.communicate()


class Crew(list):
    "Workers that have imported everything, so that they begin at one moment."
    def together(self, jobs):
        "What the workers say who do these jobs at the same time."
        new = [Worker() for _ in jobs[len(self):]]
        self.extend(new)
        for w in new: w.result()
        moment = time.time() + .2
        for w, job in zip(self, jobs): w.send(at=moment, **job)
        return [w.result() for w, _ in zip(self, jobs)]


@pytest.fixture(scope="module")
def crew():
    workers = Crew()
    yield workers
    for w in workers: w.end()


def write_city(folder, *, stations=("Dongsi", "Wanliu"), days=200, seed=0):
    "Made-up files in the layout of UCI's Beijing set: PM2.5 depends on its past, the hour and the wind."
    rng, hours = np.random.default_rng(seed), days * 24
    time, t = pd.date_range("2015-01-01", periods=hours, freq="h"), np.arange(hours)
    wind, level = 2 + 1.5 * np.sin(2 * np.pi * t / 60), np.zeros(hours)
    for i in range(1, hours): level[i] = .95 * level[i - 1] + rng.normal(0, .25) - .03 * (wind[i] - 2)
    folder.mkdir(parents=True, exist_ok=True)
    for shift, station in enumerate(stations):
        pm25 = (35 * np.exp(level) + 6 * np.sin(2 * np.pi * (t + shift) / 24) + rng.normal(0, 1, hours) + 8).clip(1).round()
        frame = pd.DataFrame({"No": t + 1, "year": time.year, "month": time.month, "day": time.day, "hour": time.hour, "PM2.5": pm25, "PM10": pm25 + 20,
                              "SO2": 5.0, "NO2": (pm25 * .6 + 5).round(), "CO": 500, "O3": 40, "TEMP": (15 + 9 * np.sin(2 * np.pi * t / 24)).round(1),
                              "PRES": 1013, "DEWP": 3.0, "RAIN": 0, "wd": "NW", "WSPM": wind.round(1), "station": station})
        frame.to_csv(folder / f"PRSA_Data_{station}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    "A folder of made-up files."
    return write_city(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, measured):
    "A home, of a name that libraries stumble over, in which `aqw run` has run once, and what it printed."
    home = tmp_path_factory.mktemp("home") / "Air quality = 100 %"
    home.mkdir()
    return home, aqw("run", "--source", "files", "--path", measured, "--cities", "Beijing", home=home)
