"""The OpenAQ client and the fetcher: every recorded reply is parsed, and every failure comes from a real server on 127.0.0.1."""
import json
import logging
import os
import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest
from conftest import PATIENCE

from aq_workbench.core import AqwError, now, READING, Settings, utc
from aq_workbench.fetcher import LiveDataFetcher
from aq_workbench.fetcher.openaq import OpenAQ, OpenAQError, zulu
from aq_workbench.fetcher.parsing import HOUR, LATEST, LICENCE_FIELDS, LOCATION, PARAMETER, parameter_ids
from aq_workbench.fetcher.parsing import parse_hours, parse_latest, parse_licences, parse_locations, parse_parameters
from aq_workbench.fetcher.parsing import parse_sensors, results_of, SENSOR
from aq_workbench.sandbox import run_sandbox
from aq_workbench.store import FeatureStore

SHARED = Path(os.environ.get('AQW_SHARED') or Path(__file__).resolve().parents[2]/'shared')/'data'/'openaq'
KEY = '0123456789abcdef'*4
START, END = utc('2016-03-01'), utc('2016-03-05')
PARSERS = {'locations': (parse_locations, LOCATION), 'latest': (parse_latest, LATEST), 'parameters': (parse_parameters, PARAMETER), 'licences': (parse_licences, LICENCE_FIELDS),
           'sensors': (lambda js: parse_sensors(js, '7'), SENSOR), 'hours': (parse_hours, HOUR)}


# Recorded replies

def recorded():
    "All recorded replies, or none where the folder is missing."
    return [p for name in ('v3_json', 'v3_schema_samples') for p in sorted((SHARED/name).glob('*.json'))]


def reply_of(path):
    "The body of a recorded reply; a single object counts as a list of one."
    js = json.loads(path.read_text(encoding='utf-8'))
    if isinstance(js, dict): js = js.get('body', js)
    return js if isinstance(js, list) or 'results' in js else [js]


def named(name):
    found = [p for p in recorded() if p.stem == name]
    if not found: pytest.skip(f'no recorded replies at {SHARED}: set AQW_SHARED to the folder that holds data/')
    return reply_of(found[0])


def test_the_recorded_replies_are_all_there():
    if not recorded(): pytest.skip(f'no recorded replies at {SHARED}: set AQW_SHARED to the folder that holds data/')
    assert len(recorded()) == 48


@pytest.mark.parametrize('path', recorded(), ids=lambda p: p.stem)
def test_every_parser_survives_every_recorded_reply(path):
    "The right one reads it; the others, to whom every key is missing, give their columns and no error."
    js = reply_of(path)
    rows = results_of(js)
    assert all(isinstance(r, dict) for r in rows) and (rows or 'latest_1_min' in path.stem)
    for name, (parser, columns) in PARSERS.items():
        frame = parser(js)
        assert set(columns) <= set(frame.columns), name
        assert frame.height == len(rows) or name == 'hours' and frame.height < len(rows), name


def test_recorded_half_hours_stay_half_hours():
    js = named('list_sensor_measurements_3')
    rows = parse_hours(js)
    assert rows.height == len(results_of(js)) == 48 and set(rows['period_min']) == {30} and set(rows['unit']) == {'µg/m³'}
    assert rows['event_ts'].is_sorted() and rows['event_ts'][0] == utc('2023-03-07T05:30Z') and rows['value'][0] == 7. and not rows['flagged'].any()


def test_recorded_count_as_text_is_not_used():
    js = named('list_sensor_measurements_limit_5')
    assert js['meta']['found'] == '>5' and parse_hours(js).height == 5


def test_recorded_stations_and_sensors():
    stations = parse_locations(named('list_locations'))
    assert stations.height == 6 and stations['location_id'][1] == '2' and stations['licence'][1] == 'US Public Domain (OpenAQ admin)' and stations['last'].null_count() < 6
    sensor = parse_sensors(named('get_sensor_5'), '5')
    assert (sensor['parameter'].item(), sensor['period_min'].item(), sensor['coverage'].item(), sensor['value'].item()) == ('pm25', 30, 100, 1.), '74450 % is full'
    assert parse_sensors(named('resources_sensor'), '2178').select('unit', 'period_min', 'coverage').row(0) == ('ppm', 60, 75)


def test_recorded_values_and_licences():
    assert parse_hours(named('resources_measurement'))['value'].to_list() == [6.], 'a summary without avg'
    assert parse_latest(named('list_location_latest_1')).row(0)[:4] == ('1', '1', utc('2025-07-09T01:30Z'), 8.15)
    assert parse_latest(named('list_location_latest_1_min')).is_empty()
    assert parse_licences(named('list_licenses')).height == 11 and parameter_ids(parse_parameters(named('list_parameters'))) == {'pm25':['2']}


def test_made_up_rows_of_the_r_client():
    "Text where an interval should be, ends in the wrong order, nulls: values and times are kept as they are."
    rows = parse_hours(named('r_fixture_measurements'))
    assert rows.height and (rows['period_min'] > 0).all() and rows['value'].null_count() == 0


# A server that misbehaves

class Script:
    "What a server answers: a list of (status, headers, body) for each path's end, the last one again and again; and what it was asked."
    def __init__(self, **answers): self.answers, self.asked, self.over = {k: list(v) for k, v in answers.items()}, [], threading.Event()

    def next(self, path):
        todo = next((v for k, v in self.answers.items() if path.rstrip('/').endswith(k)), None)
        if todo is None: return 200, {}, envelope()
        return todo.pop(0) if len(todo) > 1 else todo[0]


@contextmanager
def serve(**answers):
    "A real HTTP server on 127.0.0.1; gives its base address and its script."
    script = Script(**answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            script.asked.append((parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}, dict(self.headers)))
            answer = script.next(parts.path)
            status, headers, body = answer(script) if callable(answer) else answer
            if body is None: return script.over.wait()   # never answers
            body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            for name, value in {'Content-Type': 'application/json', 'Content-Length': str(len(body)), **headers}.items(): self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': .02}, daemon=True)
    thread.start()
    try: yield f'http://127.0.0.1:{server.server_port}/v3', script
    finally:
        script.over.set()
        server.shutdown()
        server.server_close()


def envelope(*rows, limit=1000, found=None): return {'meta': {'name': 'openaq-api', 'website': '/', 'page': 1, 'limit': limit, 'found': len(rows) if found is None else found}, 'results': list(rows)}


def hour(end, value=10., name='pm25', unit='µg/m³', interval='01:00:00', **more):
    return {'value': value, 'parameter': {'id': 2, 'name': name, 'units': unit}, 'summary': {'avg': value},
            'period': {'label': '1hour', 'interval': interval, 'datetimeFrom': {'utc': zulu(end - timedelta(hours=1))}, 'datetimeTo': {'utc': zulu(end)}}, **more}


def days_of(start, hours, **more): return [hour(start + timedelta(hours=h + 1), **more) for h in range(hours)]


def client(base, *, slept=None, key=KEY, **options): return OpenAQ(base, api_key=key, sleep=(slept if slept is not None else []).append, **{'timeout': PATIENCE, **options})


def refused(script_answer, *, times=1, ask=lambda c: c.hours(5, START, END)):
    "The error that a single answer leads to, how often it was asked for, and the sleeps."
    slept = []
    with serve(hours=[script_answer]) as (base, script), pytest.raises(AqwError) as e: ask(client(base, slept=slept))
    assert len(script.asked) == times, script.asked
    assert e.value.do and KEY not in str(e.value) and KEY not in repr(e.value)
    return e.value, slept


OK = (200, {}, envelope(*days_of(START, 24)))


def test_a_good_answer_and_what_was_asked():
    with serve(hours=[OK]) as (base, script):
        c = client(base)
        rows = c.hours(5, START, END)
    path, query, headers = script.asked[0]
    assert rows.height == 24 and path == '/v3/sensors/5/hours' and headers['X-API-Key'] == KEY and len(script.asked) == 1
    assert query == {'datetime_from': '2016-03-01T00:00:00Z', 'datetime_to': '2016-03-05T00:00:00Z', 'limit': '1000', 'page': '1'} and c.server == 'openaq-api'


def test_a_year_in_windows_that_touch():
    with serve() as (base, script): client(base).hours(5, utc('2015-01-01'), utc('2016-01-01'))
    bounds = [(q['datetime_from'], q['datetime_to']) for _, q, _ in script.asked]
    assert len(bounds) == 10 and all(a[1] == b[0] for a, b in zip(bounds, bounds[1:])) and (bounds[0][0], bounds[-1][1]) == ('2015-01-01T00:00:00Z', '2016-01-01T00:00:00Z')


def test_found_as_text_and_full_pages():
    rows = days_of(START, 5)
    with serve(hours=[(200, {}, envelope(*rows[:2], limit=2, found='>2')), (200, {}, envelope(*rows[2:4], limit=2, found='>2')), (200, {}, envelope(*rows[4:], limit=2, found=None))]) as (base, script):
        assert client(base).hours(5, START, END).height == 5
    assert [q['page'] for _, q, _ in script.asked] == ['1', '2', '3']


def test_429_sleeps_as_long_as_the_service_says():
    slept = []
    limits = {'x-ratelimit-limit': '60', 'x-ratelimit-used': '60', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '7'}
    with serve(hours=[(429, limits, {'detail': 'Too many requests'}), OK]) as (base, _): assert client(base, slept=slept).hours(5, START, END).height == 24
    assert slept[0] >= 7 and sum(slept) < 20


def test_429_for_ever_ends():
    e, slept = refused((429, {}, {'detail': 'Too many requests'}), times=4)
    assert e.status == 429 and 'ration' in e.do and len(slept) == 3 and min(slept) >= 60, 'without headers a minute'


def test_advertised_rations_are_obeyed():
    "Two are left: the third question waits for the reset, by the advertised seconds."
    clock, slept = [0.], []
    def sleep(s): slept.append(s); clock[0] += s
    def left(n): return 200, {'x-ratelimit-remaining': str(n), 'x-ratelimit-reset': '9'}, envelope()
    with serve(hours=[left(1), left(0), left(59)]) as (base, _): OpenAQ(base, api_key=KEY, sleep=sleep, clock=lambda: clock[0]).hours(5, utc('2015-01-01'), utc('2015-05-01'))
    assert slept == [9.]


def test_without_rate_headers_sixty_a_minute():
    clock, slept = [0.], []
    def sleep(s): slept.append(s); clock[0] += s
    with serve() as (base, script): OpenAQ(base, api_key=KEY, sleep=sleep, clock=lambda: clock[0]).hours(5, utc('2009-01-01'), utc('2016-01-01'))
    assert len(script.asked) == 64 and slept == [60.]


def test_408_halves_the_window():
    def hours(script):
        _, q, _ = script.asked[-1]
        if utc(q['datetime_to']) - utc(q['datetime_from']) > timedelta(days=10): return 408, {}, {'detail': 'Connection timed out: Try to provide more specific query parameters or a smaller time frame.'}
        return 200, {}, envelope(*days_of(utc(q['datetime_from']), 3))
    with serve(hours=[hours]) as (base, script): rows = client(base).hours(5, START, START + timedelta(days=40))
    lengths = [(utc(q['datetime_to']) - utc(q['datetime_from'])).days for _, q, _ in script.asked]
    assert lengths == [40, 20, 10, 10, 20, 10, 10] and rows.height == 12 and rows['event_ts'].is_sorted()


def test_408_for_ever_ends_at_a_day():
    e, slept = refused((408, {}, {'detail': 'Connection timed out'}), times=3)
    assert e.status == 408 and 'shorter' in e.do and slept == [], '4 days, 2 days, 1 day; never the same question twice'


@pytest.mark.parametrize('status', [500, 502, 503, 504])
def test_5xx_then_ok(status):
    slept = []
    with serve(hours=[(status, {'Content-Type': 'text/html'}, '<html>Bad gateway</html>'), OK]) as (base, _): assert client(base, slept=slept).hours(5, START, END).height == 24
    assert slept == [1]


def test_500_for_ever_ends():
    e, slept = refused((500, {'Content-Type': 'text/plain'}, 'Internal Server Error'), times=4)
    assert e.status == 500 and 'Internal Server Error' in e.what and slept == [1, 2, 4]


def test_truncated_json_then_ok():
    with serve(hours=[(200, {}, json.dumps(OK[2])[:500]), OK]) as (base, _): assert client(base).hours(5, START, END).height == 24
    e, _ = refused((200, {}, json.dumps(OK[2])[:500]), times=4)
    assert 'no JSON' in e.what


def test_a_body_shorter_than_promised():
    e, _ = refused((200, {'Content-Length': '100000', 'Connection': 'close'}, '{"results":['), times=4)
    assert 'broke off its answer' in e.what and e.status is None


def test_html_page():
    e, _ = refused((200, {'Content-Type': 'text/html'}, '<html><body><h1>Guest network</h1> please sign in</body></html>'), times=4)
    assert 'Guest network please sign in' in e.what and 'proxy' in e.do and '<' not in e.what


def test_empty_reply():
    e, _ = refused((200, {}, ''), times=4)
    assert 'is empty' in e.what


@pytest.mark.parametrize('body', ['{}', 'null', '"text"', '5', '{"results": null}', '{"message": "hello"}'])
def test_json_that_is_no_envelope(body):
    e, _ = refused((200, {}, body))
    assert 'no list of results' in e.what and 'OPENAQ_URL' in e.do


REFUSALS = [(401, {'message': 'Unauthorized. A valid API key must be provided in the X-API-Key header.'}, 'valid API key must be', 'OPENAQ_API_KEY'),
            (401, {'detail': 'Invalid credentials'}, 'Invalid credentials', 'OPENAQ_API_KEY'),
            (403, {'message': 'Forbidden. violation of rate limit policy. Contact dev@openaq.org'}, 'rate limit policy', 'dev@openaq.org'),
            (404, {'detail': 'Sensor not found'}, 'Sensor not found', 'explore.openaq.org'),
            (405, {'detail': 'Method Not Allowed'}, 'Method Not Allowed', 'OPENAQ_URL'),
            (410, {'message': 'Gone. Version 1 and Version 2 API endpoints are retired and no longer available.'}, 'Gone', 'https://api.openaq.org/v3'),
            (422, '1 validation error for DatetimeQueries', '1 validation error', 'malformed'),
            (422, {'detail': [{'loc': ['query', 'bbox'], 'msg': 'not a box', 'type': 'value_error'}]}, 'query.bbox: not a box', 'malformed'),
            (422, {'errors': [{'loc': ['query', 'limit'], 'msg': 'too large'}]}, 'query.limit: too large', 'malformed')]


@pytest.mark.parametrize('status,body,said,do', REFUSALS, ids=[f'{r[0]}-{r[2][:12]}' for r in REFUSALS])
def test_refusals_are_final_and_say_what_to_do(status, body, said, do):
    e, slept = refused((status, {}, json.dumps(body)))
    assert e.status == status and said in e.what and do in e.do and slept == []


def test_403_of_a_firewall_is_asked_once_more():
    e, slept = refused((403, {'Content-Type': 'text/html'}, '<html>403 Forbidden</html>'), times=2)
    assert e.status == 403 and slept == [120]


def test_a_redirection_takes_no_key_elsewhere():
    with serve(hours=[OK]) as (other, script):
        e, _ = refused((302, {'Location': f'{other}/sensors/5/hours'}, ''))
    assert e.status == 302 and script.asked == []


def test_refused_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    slept = []
    with pytest.raises(OpenAQError, match=f'(?s)no connection to 127.0.0.1:{port}.*OPENAQ_URL') as e: client(f'http://127.0.0.1:{port}/v3', slept=slept).check_key()
    assert e.value.status is None and slept == [], 'a mistyped address is said at once'


def test_a_server_that_never_answers():
    with serve(hours=[(200, {}, None)]) as (base, _), pytest.raises(OpenAQError, match='(?s)did not answer in time.*AQW_TIMEOUT'): client(base, timeout=.3).hours(5, START, END)


def test_a_server_that_goes_away_in_the_middle():
    slept = []
    with serve(hours=[OK]) as (base, _):
        c = client(base, slept=slept)
        c.check_key()
    c.client.close()
    c.client = type(c.client)(timeout=PATIENCE)
    with pytest.raises(OpenAQError, match='no connection'): c.hours(5, START, END)
    assert slept == [1, 2, 4], 'it had answered, so it may come back'


def test_a_service_that_ignores_the_window():
    e, _ = refused((200, {}, envelope(*days_of(utc('2009-01-01'), 24))))
    assert '24 of 24 rows lie outside the window 2016-03-01T00:00:00Z to 2016-03-05T00:00:00Z, the first at 2009-01-01T01:00:00Z' in e.what


# The key

def test_the_key_is_in_no_text(caplog):
    "Not in errors that quote it, not in their causes, not in a log, not in what an object prints."
    caplog.set_level(logging.DEBUG)
    with serve(hours=[(422, {}, {'detail': f'bad key {KEY}'})], sensors=[(500, {}, 'x'*290 + KEY)], latest=[(200, {}, f'<p>{KEY}')]) as (base, _):
        c = client(base)
        seen = [repr(c), str(c), repr(vars(c)), repr(LiveDataFetcher(Settings(openaq_api_key=KEY, openaq_url=base)).openaq.api_key)]
        for ask in (lambda: c.hours(5, START, END), lambda: c.sensors(5), lambda: c.latest(5)):
            with pytest.raises(OpenAQError) as e: ask()
            seen += [str(e.value), repr(e.value), str(e.value.__cause__)]
    with pytest.raises(OpenAQError) as e: c.check_key()
    seen += [str(e.value), repr(e.value.__cause__), caplog.text]
    for text in seen: assert KEY[:12] not in text


@pytest.mark.parametrize('key', ['geheimer schlüssel', 'two\nlines', 'a b'])
def test_a_key_that_cannot_be_one_is_not_shown(key):
    with pytest.raises(AqwError, match='(?s)API key.*OPENAQ_API_KEY') as e: OpenAQ(api_key=key)
    assert key not in str(e.value)


def test_the_key_goes_to_its_own_address_only(tmp_path):
    with serve() as (base, script), pytest.raises(AqwError): LiveDataFetcher(Settings(home=tmp_path, openaq_api_key=KEY), base_url=base).fetch_latest_measurements('Delhi')
    assert script.asked and all(h.get('X-API-Key') == 'sandbox' for _, _, h in script.asked)


def test_check_key():
    with serve(parameters=[(200, {}, envelope({'id': 2, 'name': 'pm25', 'units': 'µg/m³'}))]) as (base, _): assert client(base).check_key() == 'openaq-api'
    with serve(parameters=[(401, {}, {'detail': 'Invalid credentials'})]) as (base, _), pytest.raises(OpenAQError, match='(?s)401.*OPENAQ_API_KEY'): client(base).check_key()
    with pytest.raises(OpenAQError, match='(?s)no OpenAQ API key.*sandbox'): OpenAQ().check_key()


# The fetcher

def sensor(id, name, unit, last, **more): return {'id': id, 'name': f'{name} {unit}', 'parameter': {'id': 2, 'name': name, 'units': unit}, 'datetimeFirst': {'utc': '2014-01-01T00:00:00Z'}, 'datetimeLast': {'utc': zulu(last)},
                                                  'coverage': {'observedCount': 10, 'observedInterval': '10:00:00', 'percentCoverage': 90.}, 'latest': {'datetime': {'utc': zulu(last)}, 'value': 5.}, **more}


def station(id, last, **more): return {'id': id, 'name': f'Station {id}', 'timezone': 'Asia/Kolkata', 'country': {'code': 'IN'}, 'coordinates': {'latitude': 28.6, 'longitude': 77.2}, 'datetimeLast': last and {'utc': zulu(last)},
                                       'licenses': [{'id': 1, 'name': 'CC BY 4.0', 'attribution': {'name': 'DPCC', 'url': None}}], **more}


def fetcher(base, tmp_path, **options): return LiveDataFetcher(Settings(home=tmp_path, openaq_url=base, openaq_api_key=KEY), sleep=lambda s: None, **options)


def test_choosing_converting_and_listing(tmp_path):
    "A dead station, a dead sensor, two sensors of one gas, an unknown unit, particles by number, a sensor that always fails, one without values."
    old = END - timedelta(days=800)
    sensors = [sensor(71, 'pm25', 'µg/m³', END), sensor(72, 'no2', 'ppm', END - timedelta(hours=5)), sensor(73, 'no2', 'ppb', END), sensor(74, 'temperature', 'r', END), sensor(75, 'um003', 'particles/cm³', END),
               sensor(76, 'so2', 'ppb', old), sensor(77, 'o3', 'ppm', END), sensor(78, 'co', 'ppm', END)]
    rows = {'71/hours': [(200, {}, envelope(*days_of(START, 4, interval='00:30:00'), hour(START + timedelta(hours=6), None, interval='00:30:00'), hour(START + timedelta(hours=7), -999., interval='00:30:00')))],
            '73/hours': [(200, {}, envelope(*days_of(START, 2, name='no2', unit='ppb', flagInfo={'hasFlags': True})))], '77/hours': [(500, {}, {'detail': 'db error'})], '78/hours': [(200, {}, envelope())]}
    with serve(**{'v3/locations': [(200, {}, envelope(station(7, END), station(8, old)))], 'locations/7/sensors': [(200, {}, envelope(*sensors))]}, **rows) as (base, script):
        f = fetcher(base, tmp_path)
        got = f.fetch_city('Delhi', start=START, end=END)
    assert got.schema == pl.Schema(READING) and set(got['source']) == {'openaq'} and set(got['licence']) == {'CC BY 4.0 (DPCC)'} and set(got['sensor_id']) == {'71', '73'}
    pm25, no2 = got.filter(parameter='pm25'), got.filter(parameter='no2')
    assert set(pm25['period_min']) == {30} and pm25['value'].to_list() == [10.]*4 + [-999.] and pm25.select('city', 'country', 'location', 'tz', 'lat').row(0) == ('Delhi', 'IN', 'Station 7', 'Asia/Kolkata', 28.6)
    assert round(no2['value'][0], 3) == 18.804 and no2.select('unit', 'value_raw', 'unit_raw', 'flags').row(0) == ('µg/m³', 10., 'ppb', 'provider')
    reasons = {s['sensor_id'] or s['location']: s['reason'] for s in f.skipped}
    assert reasons.keys() == {'Station 8', '72', '74', '75', '76', '77', '78'} and json.dumps(f.skipped)
    assert 'days ago' in reasons['Station 8'] and 'days ago' in reasons['76'] and 'sensor 73' in reasons['72'] and "'r'" in reasons['74'] and 'does not model' in reasons['75']
    assert 'db error' in reasons['77'] and 'no values' in reasons['78']
    around = next(q for p, q, _ in script.asked if p == '/v3/locations')
    assert around['radius'] == '25000' and abs(float(around['coordinates'].split(',')[0]) - 28.65) < .1, 'latitude first'


def test_a_refused_key_ends_the_city_at_once(tmp_path):
    with serve(**{'v3/locations': [(200, {}, envelope(station(7, END)))], 'locations/7/sensors': [(200, {}, envelope(*(sensor(i, p, 'µg/m³', END) for i, p in ((71, 'pm25'), (72, 'no2')))))], 'hours': [(401, {}, {'detail': 'Invalid credentials'})]}) as (base, script):
        with pytest.raises(OpenAQError, match='Invalid credentials'): fetcher(base, tmp_path).fetch_city('Delhi', start=START, end=END)
    assert sum(p.endswith('hours') for p, _, _ in script.asked) == 1


def test_parameter_by_all_its_ids(tmp_path):
    kinds = [{'id': i, 'name': n, 'units': u} for i, n, u in ((2, 'pm25', 'µg/m³'), (5, 'no2', 'µg/m³'), (7, 'no2', 'ppm'), (15, 'no2', 'ppb'))]
    with serve(parameters=[(200, {}, envelope(*kinds))]) as (base, script):
        with pytest.raises(AqwError, match='(?s)no station of no2 within 25 km of Delhi.*location='): fetcher(base, tmp_path).fetch_time_series('Delhi', parameter='NO2')
    assert script.asked[-1][1]['parameters_id'] == '5,7,15'


@pytest.mark.parametrize('hours,said', [(2, 'ahead of'), (-2, 'behind')])
def test_a_wrong_clock_is_named_where_nothing_comes(tmp_path, running_clock, monkeypatch, hours, said):
    wrong = now() + timedelta(hours=hours)
    monkeypatch.setenv('AQW_NOW', wrong.isoformat())
    with serve(**{'v3/locations': [(200, {}, envelope(station(7, wrong)))], 'locations/7/sensors': [(200, {}, envelope(sensor(71, 'pm25', 'µg/m³', wrong)))], 'parameters': [(200, {}, envelope({'id': 2, 'name': 'pm25', 'units': 'µg/m³'}))]}) as (base, _):
        with pytest.raises(AqwError, match=f"clock .or AQW_NOW. is [12]:..:.. {said} the server's"): fetcher(base, tmp_path).fetch_time_series('Delhi', days=1)


def test_a_right_clock_is_not_accused(tmp_path, running_clock):
    with serve(**{'v3/locations': [(200, {}, envelope(station(7, END)))]}) as (base, _), pytest.raises(AqwError) as e: fetcher(base, tmp_path).fetch_latest_measurements('Delhi')
    assert 'clock' not in str(e.value) and 'Station 7' in e.value.what and 'days ago' in e.value.what


def test_pins(tmp_path):
    far = station(9, END, coordinates={'latitude': 51.5, 'longitude': -.1})
    with serve(**{'locations/7': [(200, {}, envelope(station(7, END)))], 'locations/9': [(200, {}, envelope(far))], 'locations/7/sensors': [(200, {}, envelope(sensor(71, 'pm25', 'µg/m³', END)))], 'hours': [OK]}) as (base, script):
        assert fetcher(base, tmp_path, location=7).fetch_city('Delhi', start=START, end=END).height == 24
        assert not any(p == '/v3/locations' for p, _, _ in script.asked)
        got = fetcher(base, tmp_path, location=['7']).fetch_city('My own village', start=START, end=END)
        assert set(got['city']) == {'My own village'} and set(got['country']) == {'IN'}
        with pytest.raises(AqwError, match='station 9 .* lies 6,7.. km from Delhi'): fetcher(base, tmp_path, location=[7, 9]).fetch_city('Delhi', start=START, end=END)
        with pytest.raises(AqwError, match="'Kew' is no id of OpenAQ"): fetcher(base, tmp_path, location='Kew').fetch_city('London', start=START, end=END)


# The sandbox

@pytest.fixture(scope='module')
def sandbox():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('AQW_NOW', '2026-03-10T12:20Z')
        with run_sandbox(cities=['Delhi', 'London'], stations=3, days=100) as base: yield base


def test_the_sandbox_through_the_public_calls(sandbox, tmp_path):
    said = []
    f = LiveDataFetcher(Settings(home=tmp_path), base_url=sandbox, progress=said.append)
    latest = f.fetch_latest_measurements('Delhi', limit=100)
    assert list(latest.columns[:11]) == ['city', 'country', 'location_id', 'location', 'parameter', 'value', 'unit', 'event_ts', 'lat', 'lon', 'source']
    assert set(latest['source']) == {'sandbox'} and len(latest) <= 100 and not latest.duplicated(['location_id', 'parameter']).any() and any('SIMULATED' in s for s in said)
    week = f.fetch_time_series('London', parameter='PM2.5', days=7)
    assert set(week['parameter']) == {'pm25'} and week['event_ts'].min() > now() - timedelta(days=7) and (week['period_min'] == 60).all()
    several = f.get_multiple_cities(['Delhi', 'Atlantis Nova', 'London', 'Paris'])
    assert set(several['city']) == {'Delhi', 'London'} and several.attrs['failed'].keys() == {'Atlantis Nova', 'Paris'} and any('Paris FAILED' in s for s in said)


def test_sandbox_hours_equal_its_truth_where_nothing_is_planted(sandbox, tmp_path):
    import httpx
    end = now() - timedelta(hours=2)
    start = end - timedelta(days=60)
    got = LiveDataFetcher(Settings(home=tmp_path), base_url=sandbox).fetch_city('Delhi', start=start, end=end, parameters=['pm25', 'no2', 'temp'])
    rows = httpx.get(sandbox.removesuffix('/v3') + '/truth/Delhi', params={'start': start.isoformat(), 'end': end.isoformat()}, timeout=PATIENCE).json()['rows']
    true = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col('event_ts').str.to_datetime('%Y-%m-%dT%H:%M:%SZ', time_zone='UTC', time_unit='us'), pl.col('location_id').cast(pl.String))
    for parameter, tolerance in {'pm25': .02, 'no2': .02, 'temp': .02}.items():
        both = got.filter((pl.col('parameter') == parameter) & (pl.col('value_raw') > -99)).join(true.select('location_id', 'event_ts', true=parameter), on=['location_id', 'event_ts'])
        off = both.select(((pl.col('value') - pl.col('true')).abs()/pl.col('true').abs().clip(5)).alias('off'))['off']
        assert both.height > 1000 and off.quantile(.5) < tolerance, (parameter, off.quantile(.5))


def test_two_loads_of_one_stretch_are_one(sandbox, tmp_path):
    "The store takes what the fetcher gives, sentinels included, and a second load adds nothing."
    settings = Settings(home=tmp_path, source='sandbox')
    f, store = LiveDataFetcher(settings, base_url=sandbox), FeatureStore(settings)
    window = dict(start=now() - timedelta(days=45), end=now() - timedelta(hours=3), parameters=['pm25', 'no2'])
    first = store.write(f.fetch_city('Delhi', **window))
    assert first.added > 4000
    again = store.write(f.fetch_city('Delhi', **window))
    assert (again.added, again.corrected) == (0, 0)
    store.save_features(f.fetch_latest_measurements('Delhi'))
