"""The service as a stranger meets it: a real server on a free port of 127.0.0.1, asked over HTTP."""
from datetime import timedelta

import httpx
import polars as pl
import pytest
from conftest import PATIENCE, serving
from sklearn.linear_model import LinearRegression

from aq_workbench.core import Settings, utc
from aq_workbench.registry import ModelRegistry
from aq_workbench.store import FeatureStore



def made(station, h, at=utc('2016-03-01T01:00Z')):
    return dict(model='pm25_regressor-xian', version=1, city="Xi'an", location_id=station, issued_at=at, horizon_h=h, target_ts=at + timedelta(hours=h),
                event_ts=at + timedelta(hours=h), parameter='pm25', mean=80., median=79., lo80=50., hi80=110., lo90=30., hi90=140.,
                category='Unhealthy', p_category=.7, run_id='r1')


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp('home'))
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
    assert waiting.status_code == 503 and 'aqw forecast --cities Delhi' in waiting.json()['do']
    assert unknown.status_code == 404 and unknown.json()['near'] == ['delhi']
    assert empty.status_code in (404, 503) and empty.json()['error']


def test_it_reads_only(client):
    assert client.post('/models').status_code == client.delete('/v1/forecast/Delhi').status_code == 405
    paths = client.get('/openapi.json').json()['paths']
    assert all(set(methods) == {'get'} for methods in paths.values()) and client.get('/docs').status_code == 200


def test_many_ask_at_once(client):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(8) as pool: codes = list(pool.map(lambda p: client.get(p).status_code, ['/health', '/models', '/v1/forecast/xi-an']*8))
    assert set(codes) == {200}
