"""The sandbox as a client meets it: a real server on 127.0.0.1, and replies of the shape that was recorded from the real service."""
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from conftest import PATIENCE

from aq_workbench.core import utc
from aq_workbench.sandbox import run_sandbox

NOW = '2016-03-28T12:20Z'
KEY = {'X-API-Key': 'sandbox'}


@pytest.fixture(scope='module')
def client():
    with run_sandbox(cities=['Delhi', 'London'], stations=3, days=60, now=NOW) as base, httpx.Client(base_url=base, headers=KEY, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope='module')
def sensor(client):
    "The first PM2.5 sensor of London that is still alive."
    stations = client.get('/locations', params={'iso': 'GB'}).json()['results']
    alive = max(stations, key=lambda s: s['datetimeLast']['utc'])
    return next(s['id'] for s in alive['sensors'] if s['parameter']['name'] == 'pm25')


def results(client, path, **params):
    reply = client.get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()['results']


def keys(value):
    "The shape of a reply: keys of objects, of the first object of a list; a value is only its kind."
    if isinstance(value, dict): return {k: keys(v) for k, v in value.items()}
    if isinstance(value, list): return [keys(value[0])] if value else []
    return 'number' if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def differences(ours, theirs, where=''):
    "Where two shapes differ in keys or kinds; either may be null."
    if 'NoneType' in (ours, theirs): return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        lost = [f"{where}.{k}: {'only theirs' if k in theirs else 'only ours'}" for k in set(ours) ^ set(theirs)]
        return lost + [d for k in set(ours) & set(theirs) for d in differences(ours[k], theirs[k], f'{where}.{k}')]
    if isinstance(ours, list) and isinstance(theirs, list): return differences(ours[0], theirs[0], f'{where}[]') if ours and theirs else []
    return [] if ours == theirs else [f'{where}: {ours} for {theirs}']


RECORDED = {'get_location_1': '/locations/{place}', 'list_locations': '/locations', 'list_location_sensors_3': '/locations/{place}/sensors', 'get_sensor_5': '/sensors/{sensor}',
            'list_sensor_measurements_3': '/sensors/{sensor}/measurements?datetime_from=2016-03-20T00:00:00-0500&datetime_to=2016-03-22T00:00:00-0500', 'list_sensor_measurements_limit_5': '/sensors/{sensor}/measurements?limit=5',
            'list_location_latest_1': '/locations/{place}/latest', 'list_location_latest_1_min': '/locations/{place}/latest?datetime_min=2030-01-01', 'list_parameter_latest_2': '/parameters/2/latest',
            'list_parameters': '/parameters', 'get_parameter_2': '/parameters/2', 'list_countries': '/countries', 'get_country_9': '/countries/9',
            'list_licenses': '/licenses', 'get_license_30': '/licenses/1', 'list_providers': '/providers', 'get_provider_119': '/providers/1'}


@pytest.mark.parametrize('name', RECORDED)
def test_replies_have_the_shape_that_was_recorded(client, sensor, shared, name):
    theirs = json.loads((shared / 'openaq/v3_json' / f'{name}.json').read_text(encoding='utf-8'))['body']
    ours = client.get(RECORDED[name].format(sensor=sensor, place=sensor // 100)).json()
    assert differences(keys(ours), keys(theirs)) == []
    assert bool(ours['results']) == bool(theirs['results']) and type(ours['meta']['found']) is type(theirs['meta']['found'])


SCHEMA = {'locations': '/locations', 'sensors': '/locations/{place}/sensors', 'parameters': '/parameters', 'countries': '/countries', 'licenses': '/licenses', 'providers': '/providers', 'measurements': '/sensors/{sensor}/hours'}


@pytest.mark.parametrize('name', SCHEMA)
def test_replies_have_the_shape_of_the_documented_samples(client, sensor, shared, name):
    theirs = json.loads((shared / 'openaq/v3_schema_samples' / f'responses_{name}.json').read_text(encoding='utf-8'))
    ours = client.get(SCHEMA[name].format(sensor=sensor, place=sensor // 100)).json()
    newer = ('licenses', 'flagInfo', 'summary.avg', '.found')   # younger than the samples, or text on a full page
    assert [d for d in differences(keys(ours), keys(theirs)) if not any(n in d for n in newer)] == []


def test_the_comparison_of_shapes_can_fail():
    assert differences(keys({'a': 1, 'b': [{'c': 'x'}]}), keys({'a': 2.5, 'b': [{'c': None}]})) == []
    assert differences(keys({'a': {'b': 1}}), keys({'a': {'c': 1}})) and differences(keys({'a': 'x'}), keys({'a': 1}))


def test_a_page_and_its_bounds(client, sensor):
    path = f'/sensors/{sensor}/hours'
    whole = results(client, path, limit=1000) + results(client, path, limit=1000, page=2)
    stamps = [r['period']['datetimeTo']['utc'] for r in whole]
    assert stamps == sorted(set(stamps)) and stamps[-1] <= '2016-03-28T11:00:00Z', 'the hour to 12:00 is published at 13:00'
    inside = results(client, path, datetime_from=stamps[9], datetime_to=stamps[29], limit=1000)
    assert [r['period']['datetimeTo']['utc'] for r in inside] == stamps[10:30], 'from is exclusive, to inclusive'
    again = [r for page in (1, 2, 3) for r in results(client, path, datetime_from=stamps[9], datetime_to=stamps[29], limit=8, page=page)]
    assert again == inside
    found = [client.get(path, params={'limit': 8, 'page': p, 'datetime_from': stamps[9], 'datetime_to': stamps[29]}).json()['meta']['found'] for p in (1, 2, 3, 4)]
    assert found == ['>8', '>8', 4, 0]
    assert all(float(f"{r['value']:.3g}") == r['value'] == float(f"{r['summary']['avg']:.3g}") for r in whole)


def test_summer_time_of_london(client, sensor):
    "The clocks of London went forward on 27 March 2016 at 01:00 UTC; a bound without an offset is read by them."
    path, night = f'/sensors/{sensor}/measurements', dict(datetime_from='2016-03-26T23:00Z', datetime_to='2016-03-27T04:00Z')
    rows = results(client, path, **night)
    local = {r['period']['datetimeTo']['utc'][11:13]: r['period']['datetimeTo']['local'][11:] for r in rows}
    expected = {'00': '00:00:00+00:00', '01': '02:00:00+01:00', '02': '03:00:00+01:00', '03': '04:00:00+01:00', '04': '05:00:00+01:00'}
    assert local and local.items() <= expected.items()
    assert results(client, path, datetime_from='2016-03-26T23:00', datetime_to='2016-03-27T05:00') == rows
    assert results(client, path, datetime_from='2016-03-26T23:00:00+0000', datetime_to='2016-03-27T05:00:00+01:00') == rows
    assert client.get(path, params={'datetime_from': '2016-03-26', 'datetime_to': '2016-03-27T04:00Z'}).status_code == 500


def test_stations_by_circle_box_country_and_parameter(client):
    delhi = results(client, '/locations', coordinates='28.65,77.23', radius=25000)
    assert len(delhi) == 3 and all(s['country']['code'] == 'IN' and 0 <= s['distance'] <= 25000 for s in delhi)
    near = min(delhi, key=lambda s: s['distance'])
    lat, lon = near['coordinates'].values()
    assert [s['id'] for s in results(client, '/locations', bbox=f'{lon - .001},{lat - .001},{lon + .001},{lat + .001}')] == [near['id']]
    assert [s['id'] for s in results(client, '/locations', countries_id='9')] == [s['id'] for s in delhi] == [s['id'] for s in results(client, '/locations', iso='IN')]
    assert len(results(client, '/locations', parameters_id='2,1')) == 6 and results(client, '/locations', parameters_id='11') == []
    assert len(results(client, '/locations', city='Delhi')) == 6, 'an unknown name is ignored'
    assert all(s['distance'] is None and s['licenses'][0]['attribution']['name'] for s in results(client, '/locations'))
    names = {(x['parameter']['name'], x['parameter']['units']) for s in results(client, '/locations') for x in s['sensors']}
    assert any(len({u for n, u in names if n == gas}) == 2 for gas in ('no2', 'o3', 'so2', 'co')), 'one gas comes in two units'


@pytest.mark.parametrize(('path', 'status', 'body'), [
    ('/locations/1', 404, {'detail': 'Location not found'}), ('/sensors/1', 404, {'detail': 'Sensor not found'}), ('/parameters/99', 404, {'detail': 'Parameter not found'}),
    ('/countries/1', 404, {'detail': 'Country not found'}), ('/licenses/9', 404, {'detail': 'License not found'}), ('/nothing', 404, {'detail': 'Not Found'})])
def test_what_is_not_here(client, path, status, body):
    reply = client.get(path)
    assert (reply.status_code, reply.json()) == (status, body) and 'x-ratelimit-used' not in reply.headers and reply.headers['x-aqw-simulated'] == 'true'


@pytest.mark.parametrize('query', ['limit=0', 'limit=1001', 'page=0', 'bbox=1,2', 'coordinates=a,b&radius=9', 'radius=25001&coordinates=1,2'])
def test_a_malformed_question_is_refused_with_a_list(client, query):
    reply = client.get(f'/locations?{query}')
    assert reply.status_code == 422 and {'loc', 'msg', 'type'} <= set(reply.json()['detail'][0])


@pytest.mark.parametrize('query', ['coordinates=28.6,77.2', 'iso=IN&countries_id=9', 'bbox=78,28,77,29', 'bbox=77,28,78,29&coordinates=1,2&radius=9'])
def test_parts_that_do_not_fit_are_refused_with_a_text(client, query):
    reply = client.get(f'/locations?{query}')
    assert reply.status_code == 422 and reply.json().startswith('1 validation error')


def test_keys(client):
    def ask(**headers): return httpx.get(f'{client.base_url}parameters', headers=headers, timeout=PATIENCE)
    assert (ask().status_code, ask().json()) == (401, {'message': 'Unauthorized. A valid API key must be provided in the X-API-Key header.'})
    assert ask(**{'X-API-Key': 'guess'}).json() == {'detail': 'Invalid credentials'}
    good = ask(**{'X-API-Key': 'a' * 64})
    assert good.status_code == 200 and {f'x-ratelimit-{h}' for h in ('limit', 'used', 'remaining', 'reset')} <= set(good.headers)
    root = str(client.base_url).removesuffix('/v3/')
    assert httpx.get(f'{root}/v2/latest', timeout=PATIENCE).status_code == 410 and client.post('/parameters').status_code == 405


def test_a_client_that_waits_as_told_gets_everything():
    watch = [5.]
    with run_sandbox(cities=['London'], stations=1, days=3, now=NOW, limit_per_min=4, clock=lambda: watch[0]) as base:
        codes = []
        while codes.count(200) < 9:
            reply = httpx.get(f'{base}/licenses', headers=KEY, timeout=PATIENCE)
            codes.append(reply.status_code)
            if reply.status_code == 429:
                assert reply.json() == {'detail': 'Too many requests'} and reply.headers['x-ratelimit-remaining'] == '0'
                watch[0] += float(reply.headers['x-ratelimit-reset'])
    assert codes == [200] * 4 + [429] + [200] * 4 + [429] + [200]


def test_the_truth_stands_beside(client, sensor):
    root = str(client.base_url).removesuffix('/v3/')
    whole = httpx.get(f'{root}/truth/London', params={'start': '2016-03-20', 'end': '2016-03-27'}, timeout=PATIENCE).json()
    assert whole['simulated'] and len(whole['rows']) == 3 * 7 * 24
    true = {r['event_ts']: r['pm25'] for r in whole['rows'] if r['location_id'] == str(sensor // 100)}
    rows = results(client, f'/sensors/{sensor}/measurements', datetime_from='2016-03-20T00:00Z', datetime_to='2016-03-27T00:00Z', limit=1000)
    errors = sorted(abs(r['value'] - true[r['period']['datetimeTo']['utc']]) for r in rows)
    assert 0 < len(rows) <= len(true) and errors[len(errors) // 2] < 5, 'a station reports the truth, but for what was planted'
    planted = httpx.get(f'{root}/truth/London/planted', timeout=PATIENCE).json()['rows']
    assert planted and {'kind', 'location_id', 'sensor_id', 'parameter', 'start', 'end'} <= set(planted[0])


def test_the_world_is_the_same_whenever_it_is_asked(client, sensor):
    "Another server, another present and another length of history: the same hours have the same values."
    window = dict(datetime_from='2016-03-01T00:00Z', datetime_to='2016-03-20T00:00Z', limit=1000)
    with run_sandbox(cities=['London'], stations=3, days=90, now='2016-04-10') as base:
        other = httpx.get(f'{base}/sensors/{sensor}/hours', params=window, headers=KEY, timeout=PATIENCE).json()['results']
    assert other == results(client, f'/sensors/{sensor}/hours', **window)


def test_it_goes_on_as_the_clock_does(monkeypatch):
    "A server that runs for days shows each new hour an hour late."
    monkeypatch.setenv('AQW_NOW', NOW)
    with run_sandbox(cities=['London'], stations=1, days=5) as base, httpx.Client(base_url=base, headers=KEY, timeout=PATIENCE) as client:
        def newest(): return max(r['datetime']['utc'] for r in results(client, '/parameters/2/latest'))
        seen = []
        for hours in (0, 30, 120):
            monkeypatch.setenv('AQW_NOW', (utc(NOW) + timedelta(hours=hours)).isoformat())
            seen.append(utc(newest()))
    assert seen == sorted(set(seen)) and all(timedelta(hours=1) <= utc(NOW) + timedelta(hours=h) - s < timedelta(hours=12) for h, s in zip((0, 30, 120), seen))


def test_many_ask_at_once(client, sensor):
    "Pages of 1000 hours for eight at a time, each the same."
    path = f'/sensors/{sensor}/hours?limit=1000'
    def page(_): return client.get(path).json()['results']
    with ThreadPoolExecutor(8) as pool: pages = list(pool.map(page, range(24)))
    assert len(pages[0]) == 1000 and all(p == pages[0] for p in pages)
