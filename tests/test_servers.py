"The commands that start a server: each answers on this machine and ends when it is told to."
import os
import signal
from socket import socket

import httpx
import pytest
from conftest import PATIENCE, aqw, heard, serving


def test_serve(tmp_path):
    with serving("serve", "--port", 0, home=tmp_path) as server:
        assert server.answer("/health").json()["source"] == "sandbox"
        assert heard(server) <= {"127.0.0.1", "::1"}
        assert "aqw run" in server.answer("/v1/forecast/Beijing").text


def test_lab_opens_the_notebooks(tmp_path):
    with serving("lab", "--port", 0, "--no-browser", home=tmp_path) as lab:
        assert lab.answer("/login").status_code == 200
        assert heard(lab) <= {"127.0.0.1", "::1"}


@pytest.mark.long   # the demo opens its pages too (nbs/16_commands/10_demo)
def test_mlflow_shows_our_registry_and_ends_with_its_children(tmp_path):
    from aq_workbench.core import Settings
    from aq_workbench.registry import ModelRegistry
    from sklearn.linear_model import LinearRegression
    ModelRegistry(Settings(home=tmp_path)).log_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "line", metrics={"rmse": 1.5})
    with serving("mlflow", "--no-browser", "--port", 0, home=tmp_path) as server:
        assert "MLflow" in server.answer().text
        found = server.answer("/ajax-api/2.0/mlflow/registered-models/search").json()["registered_models"]
        assert [m["name"] for m in found] == ["line"]
        assert heard(server) == {"127.0.0.1"}
        assert not any("mlflow.db" in a for p in server.family() for a in p.cmdline()), "an address may hold a password"
        assert server.ended() == (0, [])


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
@pytest.mark.parametrize("sign", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGINT])
def test_sandbox_serves_until_it_is_told_to_end(sign, tmp_path):
    with serving("sandbox", "--port", 0, "--cities", "Delhi,London", "--stations", 2, "--days", 5, "--seed", 7, home=tmp_path) as server:
        url, ask = server.url, lambda path: httpx.get(server.url + path, headers={"X-API-Key": "sandbox"}, timeout=PATIENCE).json()
        places = ask("/v3/locations")["results"]
        assert len(places) == 4 and all("simulated" in p["name"] for p in places)
        assert ask("/truth/delhi")["seed"] == 7
        server.process.send_signal(sign)
        assert server.process.wait(PATIENCE) == 0
        server.reader.join(PATIENCE)
        assert f"OPENAQ_URL={url}/v3" in server.said and "SIMULATED" in server.said and "Traceback" not in server.said
