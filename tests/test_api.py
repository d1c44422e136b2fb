"""The service as a stranger meets it: a real server on a free port of 127.0.0.1, asked over HTTP; then hostile questions and broken homes, in this process."""
import shutil
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import httpx
import polars as pl
import pytest
from conftest import PATIENCE, serving
from fastapi.testclient import TestClient
from hypothesis import example, given, settings as hypothesis_settings, strategies as st
from sklearn.linear_model import LinearRegression

from aq_workbench.api import create_app
from aq_workbench.core import Settings, utc
from aq_workbench.registry import ModelRegistry
from aq_workbench.store import FeatureStore


def made(station, h, at=utc('2016-03-01T01:00Z'), version=1):
    return dict(model='pm25_regressor-xian', version=version, city="Xi'an", location_id=station, issued_at=at, horizon_h=h, target_ts=at + timedelta(hours=h),
                event_ts=at + timedelta(hours=h), parameter='pm25', mean=80., median=79., lo80=50., hi80=110., lo90=30., hi90=140.,
                category='Unhealthy', p_category=.7, run_id='r1')


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp('home'), source="files")
    FeatureStore(settings).save_features(pl.DataFrame([made(s, h) for s in ('a', 'b') for h in (1, 6, 24)]), 'forecasts')
    for name in ('pm25_regressor-xian', 'pm25_regressor-delhi'):
        ModelRegistry(settings).log_model(model=LinearRegression().fit([[0.], [1.]], [0., 1.]), model_name=name)
    return settings.home


@pytest.fixture(scope='module')
def client(home):
    with serving('serve', '--port', 0, home=home, AQW_NOW='2016-03-01T03:00Z', AQW_SOURCE='files') as server:
        server.answer('/health')
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client: yield client


def test_health_says_what_can_be_read_and_how_fresh_it_is(client):
    reply = client.get('/health')
    told = reply.json()
    assert reply.status_code == 200 and told['ok'] and told['problems'] == [] and told['simulated'] is False
    assert [(g['name'], g['rows']) for g in told['groups']] == [('forecasts', 6)]
    assert told['models'] == ['pm25_regressor-delhi', 'pm25_regressor-xian']


def test_models_are_the_rows_of_the_registry(client):
    rows = client.get('/models').json()
    assert [(r['name'], r['champion'], r['stage']) for r in rows] == [('pm25_regressor-delhi', 1, 'Development'), ('pm25_regressor-xian', 1, 'Development')]


@pytest.mark.parametrize('spelling', ["Xi'an", 'xi-an', 'XI AN'])
def test_a_city_is_found_in_any_spelling(client, spelling):
    told = client.get(f'/v1/forecast/{spelling}').json()
    assert told['city'] == "Xi'an" and told['unit'] == 'µg/m³' and len(told['forecasts']) == 6
    first = told['forecasts'][0]
    assert (first['location_id'], first['horizon_h'], first['age_h'], first['version']) == ('a', 1, 2., 1)
    assert first['lo90'] <= first['mean'] <= first['hi90'] and first['target_ts'] == '2016-03-01T02:00:00Z'


def test_a_city_without_a_forecast_and_one_that_is_not_here(client):
    waiting, unknown, empty = (client.get(f'/v1/forecast/{city}') for city in ('Delhi', 'Dehli', '%3F'))
    assert waiting.status_code == 404 and 'aqw forecast Delhi' in waiting.json()['error']['do']
    assert unknown.status_code == 404 and unknown.json()['error']['near'] == ['delhi']
    assert empty.status_code == 422 and empty.json()['error']['code'] == 'invalid'


def test_an_unknown_parameter_is_refused_and_a_near_city_named(client):
    refused = client.get('/v1/forecast/xian?horizon=6')
    assert refused.status_code == 422
    assert "takes no parameter 'horizon'; allowed: none" in refused.json()['error']['what']
    assert client.get('/v1/forecast/Dehli').json()['error']['do'] == 'did you mean delhi? ask for it: /v1/forecast/delhi'


def test_it_reads_only(client):
    refused = client.post('/models')
    assert refused.status_code == client.delete('/v1/forecast/Delhi').status_code == 405
    assert refused.json()['error']['code'] == 'method_not_allowed' and refused.headers['allow'] == 'GET'
    paths = client.get('/openapi.json').json()['paths']
    assert all(set(methods) == {'get'} for methods in paths.values()) and client.get('/docs').status_code == 200


def test_many_ask_at_once(client):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool: codes = list(pool.map(lambda p: client.get(p).status_code, ['/health', '/models', '/v1/forecast/xi-an']*8))
    assert set(codes) == {200}


KNOWN = {404: 'not_found', 405: 'method_not_allowed', 422: 'invalid', 503: 'unreadable'}


@pytest.fixture(scope='module')
def inside(home):
    "The application in this process; what it raises comes as its answer."
    return TestClient(create_app(Settings(home=home)), raise_server_exceptions=False)


def assert_answer(reply, home, asked=''):
    "An answer, or a refusal in the one shape that tells nothing of the machine; who names a thing may hear it again."
    for secret in (str(home), 'sqlite:', 'Traceback', 'site-packages', '.parquet', '_delta_log'):
        assert secret in asked or secret not in reply.text, reply.text
    if reply.status_code == 200: return
    if reply.request.method == 'HEAD' and not reply.content: return
    error = reply.json()['error']
    assert error['code'] == KNOWN[reply.status_code], reply.text
    assert error['what'] and set(error) == {'code', 'what', 'do', 'near'}


ODD = ['', ' ', '.', '..', '../../etc/passwd', '/', '//evil.example', '\x00', 'a\nb', "x'; DROP TABLE models; --", '$(reboot)', '-1', '9'*400, 'a'*200, 'a'*60_000, 'Łódź', '北京', '\u202e', '\ufeff', '🏭', '%2e%2e', 'a?b#c', '{city}']


@pytest.mark.parametrize('name', ODD, ids=lambda n: ascii(n)[:20])
def test_odd_names_of_cities(inside, home, name):
    reply = inside.get('/v1/forecast/' + quote(name, safe=''))
    assert reply.status_code in (404, 422)
    assert_answer(reply, home)


@given(st.text(max_size=300))
@example('_delta_log')
@hypothesis_settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_no_name_makes_a_fault(inside, home, name): assert_answer(inside.get('/v1/forecast/' + quote(name, safe='')), home, name)


@given(st.sampled_from(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'X']), st.lists(st.text(max_size=20), max_size=4), st.text(max_size=40), st.binary(max_size=40))
@example('GET', ['health', ''], '', b'')
@example('GET', ['models'], 'limit=99999999999999999999&asof=-1', b'{')
@hypothesis_settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_no_question_makes_a_fault(inside, home, method, parts, query, body):
    reply = inside.request(method, 'http://testserver/' + '/'.join(quote(p, safe='') for p in parts) + '?' + quote(query, safe='=&'), content=body)
    assert_answer(reply, home, ' '.join([*parts, query]))


def test_the_description_holds_the_shape(inside):
    described = inside.get('/openapi.json').json()
    for path, methods in described['paths'].items():
        for status in ('404', '405', '422', '500', '503'):
            if (path, status) == ('/health', '503'): continue
            assert methods['get']['responses'][status]['content']['application/json']['schema']['$ref'].endswith('/Refusal'), (path, status)
    assert 'error' in described['components']['schemas']['Health']['properties'], 'the refusal of /health says more'


def test_the_documentation_asks_no_other_host(inside):
    page = inside.get('/docs').text
    assert '<script' not in page and 'src=' not in page
    assert 'Lower end of the 90 % interval' in page


def files_of(folder): return {p.relative_to(folder).as_posix(): sha256(p.read_bytes()).hexdigest() if p.is_file() else '' for p in Path(folder).rglob('*')}


def first(folder, pattern): return next(p for p in sorted(Path(folder).rglob(pattern)) if p.is_file())


def overwrite(path, data): path.write_bytes(data)


BREAK = {
    'whole': lambda data: None,
    'no home': lambda data: shutil.rmtree(data.parent.parent),
    'empty home': lambda data: shutil.rmtree(data.parent),
    'no store': lambda data: shutil.rmtree(data/'store'),
    'no registry': lambda data: (data/'mlflow.db').unlink(),
    'restored without its lock': lambda data: (data/'mlflow.lock').unlink(),
    'no files of models': lambda data: shutil.rmtree(data/'mlartifacts'),
    'torn mark': lambda data: overwrite(data/'aqw.json', b'{'),
    'torn log': lambda data: overwrite(first(data/'store/forecasts/_delta_log', '*.json'), b'{ torn'),
    'no log': lambda data: shutil.rmtree(data/'store/forecasts/_delta_log'),
    'log of nothing': lambda data: overwrite(first(data/'store/forecasts/_delta_log', '*.json'), b''),
    'a file is gone': lambda data: first(data/'store/forecasts', '*.parquet').unlink(),
    'a file is cut off': lambda data: overwrite(p := first(data/'store/forecasts', '*.parquet'), p.read_bytes()[:100]),
    'a file is noise': lambda data: overwrite(p := first(data/'store/forecasts', '*.parquet'), b'PAR1' + b'\x7f'*(p.stat().st_size - 8) + b'PAR1'),
    'the store is a file': lambda data: (shutil.rmtree(data/'store'), (data/'store').write_text('x')),
    'the group is a file': lambda data: (shutil.rmtree(data/'store/forecasts'), (data/'store/forecasts').write_text('x')),
    'the registry is noise': lambda data: overwrite(data/'mlflow.db', b'noise'*1000),
    'the registry is empty': lambda data: overwrite(data/'mlflow.db', b''),
    'the registry is cut off': lambda data: overwrite(data/'mlflow.db', (data/'mlflow.db').read_bytes()[:5000]),
    'a model is changed': lambda data: overwrite(p := first(data/'mlartifacts', '*.skops'), p.read_bytes()[:-1]),
    'a verdict is torn': lambda data: FeatureStore(Settings(home=data.parent.parent)).write(pl.DataFrame({'city': ["Xi'an"], 'event_ts': [utc('2016-03-01')], 'verdict': ['{ torn'], 'retrain': [True]}), 'verdicts'),
}
REFUSED = {'torn log', 'log of nothing', 'a file is gone', 'a file is cut off', 'a file is noise', 'torn mark'}
UNKNOWN = {'no home', 'empty home', 'no store', 'no log', 'the store is a file', 'the group is a file'}
REGISTRY = {'the registry is noise', 'the registry is cut off'}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "A home in which two versions have issued forecasts."
    settings = Settings(home=tmp_path_factory.mktemp('whole'), source='files')
    for version in (1, 2):
        FeatureStore(settings).save_features(pl.DataFrame([made('a', h, version=version) for h in (1, 6, 24)]), 'forecasts')
        ModelRegistry(settings).log_model(model=LinearRegression().fit([[0.], [1.]], [0., 1.]), model_name='pm25_regressor-xi-an')
    return settings.home


@pytest.mark.parametrize('how', BREAK)
def test_a_broken_home(whole, tmp_path, monkeypatch, caplog, how):
    "Nothing is a fault, nothing tells of the machine, nothing is written; the reason is in the log."
    monkeypatch.setenv('AQW_NOW', '2016-03-01T03:00Z')
    home = shutil.copytree(whole, tmp_path/'home')
    BREAK[how](home/'data'/'files')
    before = files_of(home)
    client = TestClient(create_app(Settings(home=home, source='files')), raise_server_exceptions=False)
    replies = {path: client.get(path) for path in ('/v1/forecast/xi-an', '/v1/forecast/Nowhere', '/models', '/health', '/docs')}
    for reply in replies.values(): assert_answer(reply, home)
    got = {path: reply.status_code for path, reply in replies.items()}
    assert got['/v1/forecast/xi-an'] == (503 if how in REFUSED | REGISTRY else 404 if how in UNKNOWN else 200), replies['/v1/forecast/xi-an'].text
    assert got['/health'] == (503 if how in REFUSED | REGISTRY else 200), replies['/health'].text
    assert files_of(home) == before, 'a question writes nothing'
    if 503 in got.values(): assert str(home) in caplog.text, 'the reason is told to whoever runs it'
