"The paper as pdflatex makes it, from made-up results. Every figure here is invented and marked so."
import json
import math
import random
import shutil
import subprocess
from datetime import timedelta

import polars as pl
import pytest
from conftest import need

from aq_workbench.core import AqwError, utc
from aq_workbench.report.latex import tex
from aq_workbench.report.paper import build_pdf
from aq_workbench.report import latex_missing, write_report

HORIZONS, START = (1, 6, 24), utc('2016-02-01')


@pytest.fixture
def latex():
    need(not latex_missing(), latex_missing() or 'LaTeX')


def made_frame():
    "Twenty days of made-up hours at two stations, with a gap of ten hours."
    noise, level, rows = random.Random(0), 4.2, []
    for i in range(24*20):
        level = 4.2 + .97*(level - 4.2) + noise.gauss(0, .16)
        rows.append(math.exp(level))
    actual = pl.Series('actual', rows)
    parts = []
    for station, scale in (('dongsi', 1.), ('A & B_1', .8)):
        for h in HORIZONS:
            mean = actual.shift(h, fill_value=60.)*.7 + 20
            parts.append(pl.DataFrame({'target_ts': [START + timedelta(hours=i) for i in range(24*20)], 'mean': mean*scale, 'actual': actual*scale})
                         .with_columns(location_id=pl.lit(station), horizon_h=pl.lit(h), lo90=pl.col('mean')*.45, hi90=pl.col('mean')*1.9))
    frame = pl.concat(parts)
    gap = pl.col('target_ts').is_between(START + timedelta(days=10), START + timedelta(days=10, hours=9)) | (pl.col('location_id') != 'dongsi') & (pl.col('target_ts').dt.hour() == 3)
    return frame.with_columns(actual=pl.when(gap).then(None).otherwise('actual'))


def made_city(name):
    "One city's results, invented."
    rivals = {'forecaster': (17.03, 49.26, 77.71), 'persistence': (19.37, 55.29, 87.20), 'same_hour_yesterday': (87.31, 87.25, 87.20)}
    base = rivals['persistence']
    scores = [{'horizon_h': h, 'model': m, 'n': 68412, 'rmse': r[i], 'mae': r[i]*.55, 'bias': -.4, 'r2': 1 - (r[i]/85)**2, 'skill': 1 - r[i]/base[i],
               'coverage90': .897 if m == 'forecaster' else None, 'width90': 104. if m == 'forecaster' else None} for i, h in enumerate(HORIZONS) for m, r in rivals.items()]
    classes = [{'horizon_h': h, 'model': m, 'n': 68412, 'accuracy': .8, 'macro_f1': .79, 'log_loss': .5 if m == 'aqi_classifier' else float('nan')} for h in HORIZONS for m in ('aqi_classifier', 'persistence')]
    period = lambda a, b, n: {'start': a, 'end': b, 'n': n}
    return {'city': name, 'slug': 'x', 'country': 'CN', 'stations': 8, 'rows': 2301240, 'start': '2013-02-28T17:00:00+00:00', 'end': '2016-02-29T15:00:00+00:00', 'asof': '2016-02-29T15:00:00+00:00',
            'store_version': 0, 'fit': period('2013-02-28T17:00:00+00:00', '2015-02-27T15:00:00+00:00', 136512), 'test': period('2015-02-28T16:00:00+00:00', '2016-02-28T15:00:00+00:00', 68412),
            'models': {'pm25_regressor-x': 1, 'aqi_classifier-x': 1}, 'scores': scores, 'class_scores': classes,
            'drift': {'summary': {'overall_drift': True, 'n_features': 11, 'n_drifted': 3, 'drift_percentage': 27.3}}, 'performance': {},
            'verdict': {'retrain': True, 'reasons': ['3 of 11 features drifted (27%), more than 20%.', 'Critical features drifted: pm25.'],
                        'could_not_see': ['The tests take every hour for an independent draw; hours of a real series are not, so they alarm far too often.']},
            'sources': ['file:uci-beijing'], 'licences': ['CC BY 4.0', 'made_up_1'], 'seconds': {}, 'frames': {'forecast': 'frames/forecast.parquet', 'error': 'frames/error.parquet'}}


def made_results(folder, *names, simulated=False, failed=None):
    "A run's folder with results.json and its frames, invented."
    (folder/'frames').mkdir(parents=True)
    made_frame().write_parquet(folder/'frames'/'forecast.parquet')
    whole = {'run': 'made_up-1', 'created': '2026-11-23T12:00:00+00:00', 'aqw_version': '0.1.0', 'source': 'sandbox' if simulated else 'files', 'simulated': simulated,
             'cities': {n: made_city(n) for n in names}, 'failed': failed or {}}
    path = folder/'results.json'
    path.write_text(json.dumps(whole), encoding='utf-8')
    return path


def words_of(pdf):
    "The PDF's text on one line, hyphens at line ends undone."
    need('pdftotext', 'poppler reads the PDF back')
    text = subprocess.run(['pdftotext', str(pdf), '-'], capture_output=True, encoding='utf-8', check=True).stdout
    return ' '.join(text.split())


def test_paper_of_one_city(tmp_path, latex):
    written = write_report(made_results(tmp_path/'run', 'Beijing'), tmp_path/'report')
    text = words_of(written['pdf'])
    assert written['pdf_missing'] == '' and written['pdf'].stat().st_size > 20_000
    for expected in ('17.03', '19.37', '49.26', 'Beijing', '2 301 240', 'Beijing Multi-Site Air Quality', 'No city of the run failed', 'Critical features drifted'):
        assert expected in text, expected
    assert '??' not in text and '[?]' not in text, 'every reference is resolved'
    assert 'SIMULATED' not in text
    first = written['pdf'].read_bytes()
    assert write_report(tmp_path/'run'/'results.json', tmp_path/'report')['pdf'].read_bytes() == first, 'the same results give the same bytes'


def test_awkward_names_failures_and_the_notice(tmp_path, latex):
    failed = {'50 % of #1': {'stage': '1_ingest', 'reason': 'no column `PM2.5` in C:\\data\\a_very_long_folder_name\\measurements_of_2016.csv; it has {"x^2": 1}', 'do': '', 'notebook': 'runs/x.ipynb'}}
    path = made_results(tmp_path/'run', 'A & B_1', 'São Paulo', 'Łódź', '北京', '东京', simulated=True, failed=failed)
    written = write_report(path, tmp_path/'report')
    text = words_of(written['pdf'])
    assert 'A & B_1' in text and '50 % of #1' in text and 'SIMULATED' in text
    assert 'The figures of the other cities lie beside this paper' in text
    log = subprocess.run(['pdffonts', str(written['pdf'])], capture_output=True, text=True).stdout if shutil.which('pdffonts') else ''
    assert 'Type 3' not in log, 'letters are vectors'


def test_every_latin_letter_and_sign_compiles(tmp_path, latex):
    signs = ''.join(map(chr, [*range(32, 127), *range(0xa0, 0x250), *range(0x1e00, 0x1f00), 0x2013, 0x2264, 0x4e1c, 0x1f600]))
    body = ' '.join(tex(c) for c in signs)
    (tmp_path/'paper.tex').write_text('\\documentclass{IEEEtran}\\usepackage[utf8]{inputenc}\\usepackage[T1]{fontenc}\\usepackage{textcomp}\\begin{document}' + body + '\\end{document}', encoding='utf-8')
    assert build_pdf(tmp_path, '2016-02-29').exists()


def test_without_latex_the_source_is_whole(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    written = write_report(made_results(tmp_path/'run', 'Beijing'), tmp_path/'report')
    assert written['pdf'] is None and 'texlive-publishers' in written['pdf_missing']
    assert written['paper'].exists() and (written['figures']/'forecast-Beijing.pdf').exists()


def test_a_broken_source_is_explained(tmp_path, latex):
    (tmp_path/'paper.tex').write_text('\\documentclass{IEEEtran}\\begin{document}\\input{/etc/nothing}\\end{document}')
    with pytest.raises(AqwError, match='pdflatex failed: !'):
        build_pdf(tmp_path, '2016-02-29')
