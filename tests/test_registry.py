"""What a notebook can't test of the registry: two processes at once, silence on the wire, MLflow's own door to our models."""
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import PATIENCE

from aq_workbench.core import AqwError, Settings, check_readings, data_root, tracking_uri, utc
from aq_workbench.features import add_targets, build_features
from aq_workbench.models import Forecaster
from aq_workbench.registry import ModelRegistry, digest

ROOT = Path(__file__).parents[1]
LISTEN = """
import sys
wire = []
sys.addaudithook(lambda event, args: wire.append((event, args)) if event in ('socket.connect', 'socket.getaddrinfo') else None)
"""
LOG_FIVE = """
from sklearn.linear_model import LinearRegression
from aq_workbench.core import Settings
from aq_workbench.registry import ModelRegistry
registry = ModelRegistry(Settings(home=sys.argv[1]))
for i in range(5):
    version = registry.log_model(LinearRegression().fit([[0.], [1.]], [0., i]), 'shared', metrics={'i':i}, tags={'by':sys.argv[2]})
    registry.promote_model('shared', version=version, stage='Production')
"""


def start(code, *args, cwd):
    "A Python process outside pytest's environment, which MLflow would recognise."
    env = {k: v for k, v in os.environ.items() if k not in ('PYTEST_CURRENT_TEST', 'CI', 'MLFLOW_DISABLE_TELEMETRY', 'DO_NOT_TRACK', 'MLFLOW_TRACKING_URI')}
    return subprocess.Popen([sys.executable, '-c', code, *map(str, args)], cwd=cwd, env={**env, 'PYTHONPATH':os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope='module')
def frame():
    ts = pl.datetime_range(utc('2015-01-01T01:00Z'), utc('2015-03-12'), '1h', eager=True, time_unit='us')
    hours = pl.DataFrame({'event_ts':ts, 'value':40 + 20*np.sin(2*np.pi*np.arange(len(ts))/24)})
    readings = check_readings(hours.with_columns(city=pl.lit('Delft'), location_id=pl.lit('north'), parameter=pl.lit('pm25')))
    return add_targets(build_features(readings), readings)


@pytest.fixture(scope='module')
def settings(tmp_path_factory, frame):
    settings = Settings(home=tmp_path_factory.mktemp('home'))
    model = Forecaster((1,), params={'num_iterations':5}).fit(frame)
    ModelRegistry(settings).log_model(model=model, model_name='pm25_regressor-delft', metrics={'rmse_1h':5.})
    return settings


def stored(settings):
    "The only bundle in the artifact store."
    return next(data_root(settings).glob('mlartifacts/**/manifest.json')).parent


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    "Two processes that start together on an empty home: their output, the home, and the folder that they ran in."
    home, work = tmp_path_factory.mktemp('home'), tmp_path_factory.mktemp('work')
    both = [start(LISTEN + LOG_FIVE + 'assert not wire, wire', home, name, cwd=work) for name in ('a', 'b')]
    return [(*p.communicate(timeout=PATIENCE), p.returncode) for p in both], home, work


def test_two_processes_create_the_database_and_log_at_once(two):
    said, home, _ = two
    assert [code for *_, code in said] == [0, 0], said
    versions = ModelRegistry(Settings(home=home)).versions('shared')
    assert sorted(v['version'] for v in versions) == list(range(1, 11))
    assert sorted(v['tags']['by'] for v in versions) == ['a']*5 + ['b']*5
    assert sorted(v['stage'] for v in versions) == ['Archived']*9 + ['Production']


def test_nothing_is_said_nothing_is_sent_and_nothing_lies_about(two):
    said, _, work = two
    assert said == [('', '', 0)]*2, 'a name that was looked up or a connection would be in the error'
    assert not list(work.iterdir())


def test_mlflow_itself_opens_our_model(settings, frame):
    import mlflow
    registry = ModelRegistry(settings)
    generic = mlflow.pyfunc.load_model(registry.client.get_model_version_download_uri('pm25_regressor-delft', '1'))
    table = generic.predict(frame.tail(3).to_pandas())
    assert table['mean'].tolist() == registry.load_model('pm25_regressor', city='Delft').predict(frame.tail(3), 1)['mean'].to_list()


def test_a_changed_byte_in_the_artifact_store_is_refused(settings, tmp_path):
    registry = ModelRegistry(settings)
    bundle = stored(settings)
    keep = shutil.copytree(bundle, tmp_path/'keep')
    try:
        for name in sorted(p.name for p in keep.iterdir()):
            data = (keep/name).read_bytes()
            (bundle/name).write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
            with pytest.raises(AqwError): registry.load_model('pm25_regressor-delft')
            (bundle/name).write_bytes(data)
        assert digest(bundle) == digest(keep)
        registry.load_model('pm25_regressor-delft')
    finally: shutil.copytree(keep, bundle, dirs_exist_ok=True)


def test_a_locked_database_says_so(tmp_path):
    settings = Settings(home=tmp_path)
    data_root(settings).mkdir(parents=True)
    held = sqlite3.connect(tracking_uri(settings).removeprefix('sqlite:///'), isolation_level=None)
    held.execute('PRAGMA locking_mode = EXCLUSIVE').fetchone()
    held.execute('CREATE TABLE t (a)')
    with pytest.raises(AqwError, match='locked by another program') as error: ModelRegistry(settings).names()
    assert 'try again' in error.value.do
    held.close()
