"The commands that start a server: each answers on this machine and ends when it is told to."
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import httpx
import psutil
import pytest
from aq_workbench.console import free_port
from conftest import aqw


@contextmanager
def started(*arguments, home):
    "An aqw server; it and its children are ended afterwards."
    env = {**os.environ, "AQW_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([str(Path(sys.executable).with_name("aqw")), *map(str, arguments)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try: yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for p in family: p.terminate()
        process.terminate()
        process.wait(timeout=20)
        assert not psutil.wait_procs(family, timeout=20)[1], "nothing is left running"


def answer(url, seconds=40):
    "The first answer that is no error, or the last one."
    until = time.monotonic() + seconds
    while True:
        try: return httpx.get(url, follow_redirects=True, timeout=10)
        except httpx.TransportError:
            if time.monotonic() > until: raise
            time.sleep(.2)


def test_serve(tmp_path):
    port = free_port()
    with started("serve", "--port", port, home=tmp_path):
        assert answer(f"http://127.0.0.1:{port}/health").json()["source"] == "files"
        assert "aqw run" in answer(f"http://127.0.0.1:{port}/v1/forecast/Beijing").text


def test_lab_opens_the_notebooks(tmp_path):
    port = free_port()
    with started("lab", "--no-browser", "--port", port, home=tmp_path) as lab:
        assert answer(f"http://127.0.0.1:{port}/login").status_code == 200
        lab.terminate()


@pytest.mark.parametrize("command", ["serve", "dashboard", "lab"])
def test_servers_bind_this_machine_only(command, tmp_path):
    port = free_port()
    with started(command, "--port", port, *([] if command == "serve" else ["--no-browser"]), home=tmp_path) as server:
        answer(f"http://127.0.0.1:{port}/")
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        heard = {c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"}
        assert heard <= {"127.0.0.1", "::1"}, heard


def ended(server):
    "Tell only the command itself to end: its exit code, and who of its children is left."
    family = psutil.Process(server.pid).children(recursive=True)
    server.terminate()
    code = server.wait(timeout=30)
    return code, psutil.wait_procs(family, timeout=10)[1]


def test_mlflow_shows_our_registry_and_ends_with_its_children(tmp_path):
    from aq_workbench.core import Settings
    from aq_workbench.registry import ModelRegistry
    from sklearn.linear_model import LinearRegression
    ModelRegistry(Settings(home=tmp_path)).log_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "line", metrics={"rmse": 1.5})
    port = free_port()
    with started("mlflow", "--no-browser", "--port", port, home=tmp_path) as server:
        assert "MLflow" in answer(f"http://127.0.0.1:{port}/", seconds=90).text
        found = answer(f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/registered-models/search").json()["registered_models"]
        assert [m["name"] for m in found] == ["line"]
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert {c.laddr.ip for p in family for c in p.net_connections() if c.status == "LISTEN"} == {"127.0.0.1"}
        assert not any("mlflow.db" in a for p in family for a in p.cmdline()), "an address may hold a password"
        code, left = ended(server)
        assert code == 0 and left == []


def test_mlflow_says_what_stands_in_its_way(tmp_path):
    assert "no MLflow database yet" in aqw("mlflow", "--no-browser", home=tmp_path).stderr
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in ("mlflow", "sandbox"):
            done = aqw(command, "--port", port, home=tmp_path)
            assert done.returncode == 1 and f"port {port} of 127.0.0.1 cannot be used" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_sandbox_serves_until_it_is_told_to_end(sign, tmp_path):
    port = free_port()
    with started("sandbox", "--port", port, "--cities", "Delhi,London", "--stations", 2, "--days", 5, "--seed", 7, home=tmp_path) as server:
        key = {"X-API-Key": "sandbox"}
        answer(f"http://127.0.0.1:{port}/v3/parameters")
        places = httpx.get(f"http://127.0.0.1:{port}/v3/locations", headers=key).json()["results"]
        assert len(places) == 4 and all("simulated" in p["name"] for p in places)
        assert httpx.get(f"http://127.0.0.1:{port}/truth/delhi", timeout=60).json()["seed"] == 7
        server.send_signal(sign)
        assert server.wait(timeout=20) == 0
        said = server.stdout.read()
        assert f"OPENAQ_URL=http://127.0.0.1:{port}/v3" in said and "SIMULATED" in said and "Traceback" not in said
