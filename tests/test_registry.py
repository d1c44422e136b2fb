"""What a notebook can't test of the registry: two processes at once, silence on the wire, MLflow's own door to our models."""
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import PATIENCE
from hypothesis import HealthCheck, given, settings as cases, strategies as some
from sklearn.linear_model import LinearRegression

from aq_workbench.core import AqwError, Broken, Busy, check_readings, data_root, Missing, Settings, tracking_uri, Unreachable, utc
from aq_workbench.models import add_targets, build_features, Forecaster
from aq_workbench.registry import digest, ModelRegistry, with_scores
from aq_workbench.registry.records import checked_record, text_of
from aq_workbench.registry.stages import start_run

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


@pytest.mark.long
def test_two_processes_create_the_database_and_log_at_once(two):
    said, home, _ = two
    assert [code for *_, code in said] == [0, 0], said
    versions = ModelRegistry(Settings(home=home)).versions('shared')
    assert sorted(v['version'] for v in versions) == list(range(1, 11))
    assert sorted(v['tags']['by'] for v in versions) == ['a']*5 + ['b']*5
    assert sorted(v['stage'] for v in versions) == ['Archived']*9 + ['Production']


@pytest.mark.long
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
            with pytest.raises(Broken): registry.load_model('pm25_regressor-delft')
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
    with pytest.raises(Busy, match='locked by another program') as error: ModelRegistry(settings).names()
    assert 'try again' in error.value.do
    held.close()


KEYS = some.one_of(some.text(min_size=1, max_size=8), some.sampled_from(("rmse_1h", "a b", "r/2", "a//b", "..", "a" * 250, "a" * 251)), some.integers())
NUMBERS = some.one_of(some.floats(), some.integers(), some.integers(min_value=2**53, max_value=2**70), some.sampled_from(
    (np.float32(.1), np.int64(2**60), np.uint8(3), 10**400, True, np.True_, None, "1.5", 1j, np.ones(1), float("inf"), float("-inf"), float("nan"))))
PLAIN = some.recursive(some.one_of(some.none(), some.booleans(), some.floats(), some.integers(), some.text(max_size=5)),
                       lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3), max_leaves=4)
TEXTS = some.one_of(some.text(), PLAIN, some.builds(lambda c, n: c * n, some.characters(), some.sampled_from((5_999, 6_000, 6_001, 8_001, 100_001))), some.just(object()))


@pytest.fixture(scope='module')
def records(tmp_path_factory):
    "A registry whose runs and tags are written and read as a version's are, without its files."
    registry = ModelRegistry(Settings(home=tmp_path_factory.mktemp('records')))
    registry.log_model(LinearRegression().fit([[0.], [1.]], [0., 1.]), 'line')
    return registry


def equal(a, b): return a.keys() == b.keys() and all(a[k] == b[k] or a[k] != a[k] and b[k] != b[k] for k in a)


def kept(registry, metrics, params, tags):
    "What a version gives back of a record."
    record = checked_record(metrics, params, tags)
    run = start_run(registry.client, 'line', record['metrics'], record['params'])
    made = registry.client.create_model_version('line', 'file:///nowhere', run.info.run_id, tags=record['tags'])
    version = registry.client.get_model_version('line', made.version)
    return with_scores(registry.client, {'run_id':version.run_id, 'tags':version.tags})


@cases(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(metrics=some.dictionaries(KEYS, NUMBERS, max_size=3), params=some.dictionaries(KEYS, TEXTS, max_size=3), tags=some.dictionaries(KEYS, TEXTS, max_size=2))
def test_a_record_comes_back_as_it_went_in_or_is_refused_by_name(records, metrics, params, tags):
    try: found = kept(records, metrics, params, tags)
    except AqwError as error:
        named = [k for k in (*metrics, *params, *tags) if repr(str(k)[:80]) in error.what or repr(k) in error.what]
        assert named, error.what
        return
    assert equal(found['metrics'], metrics)
    assert found['params'] == {k: text_of('param', k, v) for k, v in params.items()}
    assert {k: found['tags'][k] for k in tags} == {k: text_of('tag', k, v) for k, v in tags.items()}


@pytest.mark.parametrize('metrics, params', [({f'm{i}': i for i in range(1_100)}, {f'p{i}': i for i in range(250)}),
                                             ({'a': float('inf'), 'b': float('-inf'), 'c': float('nan'), 'd': -1.797e308}, {'long': 'x' * 6_001, 'é': 'ü' * 90_000})])
def test_many_and_extreme_values_come_back(records, metrics, params):
    found = kept(records, metrics, params, {})
    assert equal(found['metrics'], metrics)
    assert found['params'] == {k: str(v) for k, v in params.items()}


@pytest.fixture
def silent():
    "The address of a server that accepts and never answers."
    with socket.create_server(('127.0.0.1', 0)) as server: yield f'127.0.0.1:{server.getsockname()[1]}'


@pytest.mark.parametrize('entry', ['names', 'log', 'train', 'forecast', 'watch', 'api'])
def test_a_server_that_never_answers_ends_every_entry(entry, silent, tmp_path):
    from aq_workbench.api import create_app
    from aq_workbench.training.forecast import champions
    from fastapi.testclient import TestClient
    settings = Settings(home=tmp_path, mlflow_tracking_uri=f'http://me:secret@{silent}', timeout=.2)
    registry = ModelRegistry(settings)
    calls = {'names': registry.names, 'log': lambda: registry.log_model(LinearRegression().fit([[0.], [1.]], [0., 1.]), 'line'),
             'train': lambda: registry.champion('pm25_regressor', city='Delft'), 'forecast': lambda: champions(registry, 'Delft'), 'watch': lambda: registry.models()}
    if entry == 'api': return answered_by_the_api(TestClient(create_app(settings)))
    with pytest.raises(Unreachable, match='gives no answer within 0.2 s') as error: calls[entry]()
    assert silent in error.value.what
    assert 'secret' not in str(error.value)
    assert 'MLFLOW_TRACKING_URI' in error.value.do


def answered_by_the_api(client):
    answer = client.get('/models')
    assert answer.status_code == 503
    assert 'secret' not in answer.text


def test_a_missing_driver_is_named(tmp_path):
    with pytest.raises(Missing, match='needs the driver pymssql') as error: ModelRegistry(Settings(home=tmp_path, mlflow_tracking_uri='mssql+pymssql://me:secret@db/x')).names()
    assert error.value.do == 'pip install pymssql'
    assert 'secret' not in str(error.value)
