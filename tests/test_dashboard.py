"The monitoring page in a real Voila server and a real browser. The data are made up."
import json
import os
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import polars as pl
import pytest
from conftest import PATIENCE, heard, need, serving

from aq_workbench.core import check_readings, Settings, utc
from aq_workbench.store import FeatureStore

CHROMIUM, START, DAYS = '/usr/bin/chromium', utc('2016-02-01'), 30


def write_city(store, city, stations, seed):
    "Thirty days of hours and forecasts of a made-up city, with a gap and a verdict."
    rng = np.random.default_rng(seed)
    ts = pl.datetime_range(START + timedelta(hours=1), START + timedelta(days=DAYS), '1h', eager=True, time_unit='us')
    noise, readings, forecasts = np.zeros(len(ts)), [], []
    for i in range(1, len(ts)):
        noise[i] = .96*noise[i - 1] + rng.normal(0, .17)
    for k, station in enumerate(stations):
        name = station.lower().replace(' ', '-')
        level = np.exp(4.1 + noise + rng.normal(0, .05, len(ts)) - .2*k)
        hours = pl.DataFrame({'event_ts': ts, 'value': level.round(1)}).with_columns(
            city=pl.lit(city), location_id=pl.lit(f'{city}-{name}'.lower()), location=pl.lit(station), parameter=pl.lit('pm25'), licence=pl.lit('made up'), source=pl.lit('file:made-up'))
        readings.append(hours.filter(~pl.col('event_ts').is_between(START + timedelta(days=20), START + timedelta(days=20, hours=14))))
        for h in (1, 6, 24):
            mean = level*(.97**h) + (1 - .97**h)*level.mean()
            forecasts.append(pl.DataFrame({'issued_at': ts, 'mean': mean}).with_columns(
                horizon_h=pl.lit(h), location_id=pl.lit(f'{city}-{name}'.lower()), lo90=pl.col('mean')*(1 - .12*h**.5), hi90=pl.col('mean')*(1 + .22*h**.5)))
    made = pl.concat(forecasts).with_columns(
        median='mean', lo80=pl.col('lo90') + 1, hi80=pl.col('hi90') - 1, city=pl.lit(city), parameter=pl.lit('pm25'), version=pl.lit(3), model=pl.lit(f'pm25_regressor-{city.lower()}'),
        category=pl.lit('Unhealthy for Sensitive Groups'), p_category=pl.lit(.62), target_ts=pl.col('issued_at') + pl.duration(hours='horizon_h'))
    store.write(check_readings(pl.concat(readings)))
    store.write(made.with_columns(event_ts='target_ts'), 'forecasts')
    tests = {'pm25': (.184, 2e-11, .41), 'pm10': (.121, 3e-4, .28), 'temp': (.058, .21, .09), 'ws': (.049, .33, .07), 'no2': (.031, .8, .03)}
    features = {f: {'test': 'ks', 'statistic': d, 'p_value': p, 'p_adjusted': p, 'effect': e, 'drift': p < .05} for f, (d, p, e) in tests.items()}
    verdict = {'retrain': True, 'decision': 'retrain', 'reasons': ['2 of 5 features drifted (40%), more than 20%.', 'Critical features drifted: pm25, pm10.'],
               'could_not_see': ['The tests take every hour for an independent draw. Hours of a real series are not, so these tests alarm far too often.', 'co was not tested: no value in the current data.'],
               'drift': {'summary': {'n_features': 5, 'n_drifted': 2}, 'features': features, 'not_tested': {'co': 'no value in the current data'}, 'window_days': 30, 'reference': 'same season'}}
    store.write(pl.DataFrame({'city': [city], 'event_ts': [ts[-1]], 'verdict': [json.dumps(verdict)], 'retrain': [True]}), 'verdicts')


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp('home')
    store = FeatureStore(Settings(home=folder, source='files'))
    write_city(store, 'Beijing', ['Dongsi', 'Guanyuan', 'Wanliu <b>'], 1)
    write_city(store, 'Delhi', ['Anand Vihar', 'Lodhi Road'], 2)
    return folder


def page_of(home): return serving('dashboard', '--no-browser', home=home, AQW_SOURCE='files', AQW_NOW='2016-03-02T05:00Z')


@pytest.fixture(scope='module')
def chromium():
    need(CHROMIUM, 'the browser test needs Debian\'s chromium')
    playwright = pytest.importorskip('playwright.sync_api') if os.environ.get('AQW_REQUIRE_ALL') != '1' else __import__('playwright.sync_api', fromlist=['x'])
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, headless=True, args=['--no-sandbox', '--disable-gpu'])
        yield browser
        browser.close()


@contextmanager
def watched(chromium):
    "A browser page, and lists of what it complained about and of whom it asked."
    page, complaints, strangers = chromium.new_page(viewport={'width': 1280, "height": 2100}), [], []
    page.on('console', lambda m: complaints.append(f'{m.text} {m.location}') if m.type == 'error' else None)
    page.on('pageerror', lambda e: complaints.append(str(e)))
    def ask(url):
        if urlparse(url).scheme not in ('data', 'blob') and urlparse(url).hostname != '127.0.0.1':
            strangers.append(url)
    page.on('request', lambda r: ask(r.url))
    page.on('websocket', lambda w: ask(w.url))
    page.set_default_timeout(1000*PATIENCE)
    yield page, complaints, strangers
    page.close()


MEASURED = ".aqw-forecast svg path[stroke='#222222'][aria-roledescription='line mark']"


def measured_line(page):
    "The path of the measured line as the browser draws it."
    return page.locator(MEASURED).first.get_attribute('d')


def test_page_shows_and_follows_the_choices(home, chromium, tmp_path):
    shots = Path(os.environ.get('AQW_SHOTS') or tmp_path)
    with page_of(home) as server, watched(chromium) as (page, complaints, strangers):
        server.answer()
        assert heard(server) <= {"127.0.0.1", "::1"}
        page.goto(server.url)
        page.locator('.aqw-forecast h3').filter(has_text='Dongsi, 24 h ahead').wait_for()
        page.locator(MEASURED).first.wait_for()
        page.locator('.aqw-error svg').first.wait_for()
        text = page.locator('body').inner_text()
        for expected in ('Beijing', 'file:made-up (made up)', '2016-03-02 00:00 UTC, 5 hours ago', 'pm25_regressor-beijing version 3', 'Train again', 'alarm far too often', 'hour ending (UTC), 2016', 'PM2.5 (µg/m³)', 'RMSE (µg/m³)'):
            assert expected in text, expected
        assert 'MonitoringPage' not in text, 'sources are stripped'
        assert [page.locator('.aqw-drift tbody tr td:first-child').nth(i).inner_text() for i in range(3)] == ['pm25', 'pm10', 'temp']
        assert measured_line(page).count('M') == 2, 'the gap of the measurements is a gap of the line'
        page.screenshot(path=shots/'page.png', full_page=True)

        before = measured_line(page)
        page.locator('.aqw-station select').select_option(label='Wanliu <b>')
        page.locator('.aqw-forecast h3').filter(has_text='Wanliu <b>, 24 h ahead').wait_for()
        page.wait_for_function('([sel, old]) => { const p = document.querySelector(sel); return p && p.getAttribute("d") !== old }', arg=[MEASURED, before])
        page.locator('.aqw-horizon button', has_text='1 h ahead').click()
        page.locator('.aqw-forecast h3').filter(has_text='Wanliu <b>, 1 h ahead').wait_for()
        page.locator('.aqw-city select').select_option(label='Delhi')
        page.locator('.aqw-header').filter(has_text='pm25_regressor-delhi version 3').wait_for()
        page.locator('.aqw-forecast h3').filter(has_text='Anand Vihar, 1 h ahead').wait_for()
        page.screenshot(path=shots/'delhi.png', full_page=True)
    assert strangers == [] and complaints == []


@pytest.mark.long
def test_an_empty_store_says_what_to_do(chromium, tmp_path):
    with page_of(tmp_path) as server, watched(chromium) as (page, complaints, strangers):
        server.answer()
        page.goto(server.url)
        page.locator(".aqw-empty").filter(has_text="aqw run --source files --path").wait_for()
        page.screenshot(path=Path(os.environ.get('AQW_SHOTS') or tmp_path)/'empty.png', full_page=True)
    assert strangers == [] and complaints == []
