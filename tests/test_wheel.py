"A wheel in a clean environment, with nothing of the checkout near, does what the checkout does."
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, need, write_city

pytestmark = pytest.mark.long   # it asks PyPI
ENV = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")}


def run(*command, cwd, **env):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env={**ENV, **env}, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    "An environment that holds the wheel and what it needs, and nothing else."
    uv = Path(sys.executable).with_name("uv")
    need(uv.exists(), "building a clean environment needs uv: pip install uv")
    folder = tmp_path_factory.mktemp("clean")
    run(uv, "build", "--wheel", "--out-dir", folder / "dist", ROOT, cwd=folder)
    run(uv, "venv", "--python", sys.executable, folder / "env", cwd=folder)
    run(uv, "pip", "install", "--python", folder / "env/bin/python", "-c", ROOT / "requirements.lock", next((folder / "dist").glob("*.whl")), cwd=folder)
    return folder


def test_wheel_carries_its_notebooks_and_its_paper(clean):
    import zipfile
    names = zipfile.ZipFile(next((clean / "dist").glob("*.whl"))).namelist()
    for name in ("pipelines/1_ingest.ipynb", "pipelines/5_report.ipynb", "dashboard/monitoring.ipynb", "paper/paper.tex", "project/env.example", "project/gitignore"):
        assert f"aq_workbench/assets/{name}" in names
    assert not [n for n in names if n.startswith(("nbs/", "tests/", "docs/"))]


def test_wheel_runs_the_whole_flow(clean):
    write_city(clean / "in", stations=("Dongsi",))
    shown = run(clean / "env/bin/aqw", "run", "--path", clean / "in", "--cities", "Beijing", cwd=clean, AQW_HOME=str(clean / "home"), COLUMNS="160")
    assert "v1 serves" in shown and "Try next" in shown
    where = run(clean / "env/bin/python", "-c", "import aq_workbench.pipeline as p; print(p.notebook_folder())", cwd=clean)
    assert "site-packages" in where and "assets" in where


def test_wheel_makes_a_project(clean):
    shown = run(clean / "env/bin/aqw", "init", clean / "air", cwd=clean)
    assert "Made: cities.yaml, .env" in shown and (clean / "air/notebooks/pipelines/1_ingest.ipynb").exists()
    code = "import aq_workbench.pipeline as p, sys; print(p.notebook_for(sys.argv[1], '1_ingest'), p.edited_notebooks(sys.argv[1]))"
    assert run(clean / "env/bin/python", "-c", code, clean / "air", cwd=clean).strip() == f"{clean / 'air/notebooks/pipelines/1_ingest.ipynb'} []"
    assert '"state": "fail"' not in run(clean / "env/bin/aqw", "doctor", "--json", cwd=clean / "air", OPENAQ_API_KEY="")


def test_clean_environment_has_no_nbdev(clean):
    missing = subprocess.run([clean / "env/bin/python", "-c", "import nbdev"], capture_output=True, text=True)
    assert "No module named 'nbdev'" in missing.stderr
