"The commands that start a server: each answers on this machine and ends when it is told to."
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from aq_workbench.console import free_port


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
