"Drift on many seeds and on measured hours, and a log that two processes write."
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ks_2samp

from aq_workbench.drift import DataDriftDetector
from aq_workbench.drift.two_samples import ks_test
from aq_workbench.monitor.outcomes import read_log

SHARED = Path(os.environ.get('AQW_SHARED', Path(__file__).resolve().parents[2]/'shared'))
BEIJING = SHARED/'data'/'beijing'/'PRSA_Data_Dongsi_20130301-20160229.csv'


@pytest.fixture(scope='module')
def beijing():
    if not BEIJING.exists(): pytest.skip(f"the measured data of Beijing are not at {BEIJING}; set AQW_SHARED")
    df = pd.read_csv(BEIJING)
    return df.set_index(pd.to_datetime(df[['year', 'month', 'day', 'hour']]).rename('hour_start'))


def drawn(n, rng):
    "Independent rows: heavy tails, ties, a bounded number, and a category with a rare value."
    return pd.DataFrame({'pm25': rng.lognormal(4, .8, n), 'so2': np.floor(rng.lognormal(1, .8, n)), 'rh': rng.uniform(20, 90, n),
                         'temp': rng.normal(12, 10, n), 'wind': rng.choice(['N', 'E', 'S', 'calm'], n, p=[.6, .3, .095, .005])})


@pytest.mark.parametrize("windows", [100, pytest.param(500, marks=pytest.mark.long)])
def test_false_alarms_on_independent_rows(windows):
    "No drift anywhere: the corrected report alarms in about 5 % of the windows, and its single tests too."
    rng, reports = np.random.default_rng(7), []
    for _ in range(windows):
        detector = DataDriftDetector(drawn(2000, rng), .05)
        reports.append(detector.detect_drift(drawn(168, rng), ['pm25', 'so2', 'rh', 'temp'], ['wind']))
    low, high = binom.ppf([.0005, .9995], windows, .05)
    assert sum(r['summary']['overall_drift'] for r in reports) <= high
    for feature in ('pm25', 'rh', 'temp', 'wind'):
        alarms = sum(r['features'][feature]['p_value'] <= .05 for r in reports)
        assert low <= alarms <= high, f'{feature}: {alarms} of {windows}'
    assert sum(r['features']['so2']['p_value'] <= .05 for r in reports) <= high, 'ties make the test cautious, never eager'


def test_power_and_silence_beside_it():
    "A shift of half a standard deviation in one of five features is seen, and named."
    rng = np.random.default_rng(8)
    found = [DataDriftDetector(drawn(2000, rng)).detect_drift(drawn(168, rng).assign(temp=lambda d: d.temp + 5), ['pm25', 'rh', 'temp'], ['wind'])
             for _ in range(100)]
    assert sum('temp' in r['drifted_features'] for r in found) >= 95
    assert sum(len(r['drifted_features']) > 1 for r in found) <= 15


def test_ties_exactly_as_scipy(beijing):
    "Floored measurements: many ties, the same statistic and p-value to the last bit."
    for name in ('PM2.5', 'SO2', 'CO', 'TEMP'):
        reference, current = beijing.loc['2013-03':'2014-02', name].dropna(), beijing.loc['2015-01', name].dropna()
        expected = ks_2samp(reference, current)
        assert ks_test(reference, current) == (expected.statistic, expected.pvalue)
        report = DataDriftDetector(beijing.loc['2013-03':'2014-02']).detect_drift(beijing.loc['2015-01'], [name])
        assert report['features'][name]['p_value'] == expected.pvalue


def test_measured_hours(beijing):
    "The file's own names come back, gaps are counted, and text among the numbers is refused by name."
    reference, current = beijing.loc['2014'], beijing.loc['2015-12']
    report = DataDriftDetector(reference_data=reference).detect_drift(
        current_data=current.rename(columns={'PM2.5': 'pm25'}), numeric_features=['PM2.5', 'PM10', 'TEMP', 'RAIN'], categorical_features=['wd'])
    assert 'PM2.5' in report['drifted_features'] and 'TEMP' in report['drifted_features']
    assert report['features']['PM2.5']['n_reference'] == reference['PM2.5'].notna().sum()
    assert report['features']['wd']['test'] == 'chi2' and 0 < report['features']['wd']['effect'] < 1


def test_the_warning_is_true_on_measured_hours(beijing):
    "Weeks of a winter against the rest of that winter: the same test alarms in most of them, so the report must warn."
    winter = beijing.loc['2014-11':'2015-02']
    starts = pd.date_range('2014-11-01', '2015-02-21', freq='7D')
    rings = []
    for start in starts:
        inside = (winter.index >= start) & (winter.index < start + pd.Timedelta(days=7))
        rings.append(DataDriftDetector(winter[~inside]).detect_drift(winter[inside], ['PM2.5'])['summary']['overall_drift'])
    assert np.mean(rings) > .5


def test_two_processes_write_one_log(tmp_path):
    "Every record of both is there, each line whole."
    code = ("import sys; from aq_workbench.monitor import ModelPerformanceMonitor\n"
            "m = ModelPerformanceMonitor(path=sys.argv[1])\n"
            "for i in range(200): m.log_prediction(i, i, {'who': sys.argv[2]}).save_logs()")
    log = tmp_path/'log.jsonl'
    writers = [subprocess.Popen([sys.executable, '-c', code, str(log), who]) for who in 'ab']
    assert [w.wait(60) for w in writers] == [0, 0]
    records = read_log(log)
    assert len(records) == 400
    for who in 'ab': assert [r['prediction'] for r in records if r['metadata']['who'] == who] == list(range(200))
