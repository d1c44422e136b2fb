"Every measured file that a reader claims is read and compared with a plain pandas read."
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aq_workbench.core import AqwError, READING, unit_factor
from aq_workbench.fetcher.reading import data_files, read_file, UCI
from aq_workbench.fetcher import read_folder
from aq_workbench.quality import flag_readings, usable

SHARED = Path(os.environ.get('AQW_SHARED') or Path(__file__).resolve().parents[2]/'shared')/'data'
UCI_NAMES = {'PM2.5':'pm25', 'PM10':'pm10', 'SO2':'so2', 'NO2':'no2', 'CO':'co', 'O3':'o3', 'TEMP':'temp', 'PRES':'pres', 'DEWP':'dewp', 'RAIN':'precip', 'wd':'wd', 'WSPM':'ws'}


def shared(name):
    "A folder of the measured data, or a skip that says why."
    if not (SHARED/name).exists(): pytest.skip(f"no measured data at {SHARED/name}: set AQW_SHARED to the folder that holds data/")
    return SHARED/name


def series(batch, parameter, location_id=None):
    "One parameter of a batch as pandas, by `event_ts`."
    rows = batch.readings.filter(parameter=parameter)
    if location_id: rows = rows.filter(location_id=location_id)
    return rows.to_pandas().set_index('event_ts')['value']


def same(got, wanted):
    "Equal values at equal times, missing ones absent."
    wanted = wanted.dropna()
    assert len(got) == len(wanted)
    np.testing.assert_allclose(got.sort_index().to_numpy(), wanted.sort_index().to_numpy(), rtol=1e-9)
    assert (got.sort_index().index == wanted.sort_index().index.tz_convert('UTC')).all()


def test_beijing():
    batches = list(read_folder(shared('beijing')))
    assert [b.name for b in batches] == [p.name for p in data_files(shared('beijing'))] and len(batches) == 8
    assert len({b.batch_id for b in batches}) == 8
    for batch in batches:
        raw = pd.read_csv(SHARED/'beijing'/batch.name)
        ends = (pd.to_datetime(raw[['year', 'month', 'day', 'hour']]) + pd.Timedelta(hours=1)).dt.tz_localize('Asia/Shanghai')
        for theirs, ours in UCI_NAMES.items():
            if theirs != 'wd': same(series(batch, ours), raw[theirs].set_axis(ends))
        assert batch.readings.filter(parameter='wd').height == raw['wd'].notna().sum()
        assert batch.readings.schema == dict(READING) and batch.refused.is_empty()
        assert batch.readings['lat'].null_count() == 0 and set(batch.readings['period_min']) == {60}
    assert sum(b.readings.height for b in batches) == 2_487_371
    assert set(UCI.columns) == set(UCI_NAMES)


def test_beijing_spot_values():
    batch = read_file(shared('beijing')/'PRSA_Data_Dongsi_20130301-20160229.csv')
    assert series(batch, 'pm25')[pd.Timestamp('2016-02-29T16:00Z')] == 56     # hour 23 in Beijing
    assert series(batch, 'wd')[pd.Timestamp('2016-02-29T16:00Z')] == 180
    flagged = flag_readings(batch.readings)
    assert set(flagged.filter(~usable())['parameter']) <= {'o3'} and flagged.height == batch.readings.height


def test_explorer():
    batches = list(read_folder(shared('openaq/explorer_export')))
    assert len(batches) == 3
    for batch in batches:
        raw = pd.read_csv(SHARED/'openaq/explorer_export'/batch.name)
        raw['end'] = pd.to_datetime(raw['datetimeUtc'])
        assert batch.readings.height + batch.refused.height == len(raw) and set(batch.readings['city']) == {'Toronto'}
        names = {'temperature':'temp', 'relativehumidity':'rh'}
        for (parameter, unit), rows in raw.groupby(['parameter', 'unit']):
            if parameter in ('pm1', 'um003'): continue
            ours = names.get(parameter, parameter)
            same(series(batch, ours), rows.set_index('end')['value']*unit_factor(ours, unit))
    assert set(pd.Series(batches[1].refused['reason']).unique()) == {'parameter pm1 is not modelled', 'parameter um003 is not modelled'}


def test_london():
    path = shared('london')/'marylebone_road_1998_2003.csv'
    batch = read_file(path, mapping={'format':'openair', 'city':'London', 'location':'Marylebone Road', 'lat':51.5225, 'lon':-0.1546, 'licence':'OGL v3'})
    raw = pd.read_csv(path)
    ends = (pd.to_datetime(raw['date']) + pd.Timedelta(hours=1)).dt.tz_localize('UTC')
    factors = {**{g: unit_factor(g, 'ppb') for g in ('nox', 'no2', 'o3', 'so2')}, 'co':unit_factor('co', 'ppm')}
    for parameter in ('ws', 'wd', 'nox', 'no2', 'o3', 'pm10', 'so2', 'co', 'pm25'):
        same(series(batch, parameter), raw[parameter].set_axis(ends)*factors.get(parameter, 1))
    assert batch.refused.is_empty() and batch.readings.height == 449_870
    assert batch.readings.row(0, named=True)['tz'] == 'Europe/London'
    with pytest.raises(AqwError, match='does not say where'): read_file(path)


def test_india_days():
    batch = next(read_folder(shared('india')))
    raw = pd.read_csv(SHARED/'india'/batch.name)
    factors = {'CO':1000, 'NOx':unit_factor('nox', 'ppb')}
    for city, rows in raw.groupby('City'):
        ends = (pd.to_datetime(rows['Date']) + pd.Timedelta(days=1)).dt.tz_localize('Asia/Kolkata')
        for theirs, ours in {'PM2.5':'pm25', 'PM10':'pm10', 'NO':'no', 'NO2':'no2', 'NOx':'nox', 'CO':'co', 'SO2':'so2', 'O3':'o3'}.items():
            same(series(batch, ours, f'{city.lower()}-city'), rows[theirs].set_axis(ends)*factors.get(theirs, 1))
    assert set(batch.readings['period_min']) == {1440} and set(batch.readings['city']) == {'Delhi', 'Mumbai', 'Bengaluru'}
    left = dict(zip(['NH3', 'Benzene', 'Toluene', 'Xylene', 'AQI', 'AQI_Bucket'], batch.refused['reason']))
    assert all(f'column {c} is not modelled: {raw[c].notna().sum()} values' in reason for c, reason in left.items())


@pytest.mark.parametrize('name, city, monitors', [
    ('ShanghaiPM20100101_20151231.csv', 'Shanghai', ['Jingan', 'US Post', 'Xuhui']), ('ChengduPM20100101_20151231.csv', 'Chengdu', ['Caotangsi', 'Shahepu', 'US Post'])])
def test_china(name, city, monitors):
    path = shared('china')/name
    mapping = {'city':city, 'location':f'{city} weather', 'licence':'CC BY 4.0', 'missing':['cv'], 'ignore':['No', 'season'],
               'time':{'column':['year', 'month', 'day', 'hour'], 'stamp':'start', 'zone':'Asia/Shanghai', 'format':'%Y %m %d %H'},
               'columns':{**{f'PM_{m}':{'parameter':'pm25', 'location':m} for m in monitors}, 'DEWP':{'parameter':'dewp'}, 'HUMI':{'parameter':'rh'},
                          'PRES':{'parameter':'pres'}, 'TEMP':{'parameter':'temp'}, 'cbwd':{'parameter':'wd'}, 'precipitation':{'parameter':'precip'}}}
    batch, raw = read_file(path, mapping=mapping), pd.read_csv(path)
    ends = (pd.to_datetime(raw[['year', 'month', 'day', 'hour']]) + pd.Timedelta(hours=1)).dt.tz_localize('Asia/Shanghai')
    for m in monitors: same(series(batch, 'pm25', f"{city.lower()}-{m.lower().replace(' ', '-')}"), raw[f'PM_{m}'].set_axis(ends))
    same(series(batch, 'temp'), raw['TEMP'].set_axis(ends))
    assert batch.readings.filter(parameter='wd').height == raw['cbwd'].isin(['NE', 'NW', 'SE', 'SW']).sum()
    assert [r.split(':')[0] for r in batch.refused['reason']] == ['column Iws is not modelled', 'column Iprec is not modelled']


def test_italy():
    path = shared('italy')/'AirQualityUCI.csv'
    mapping = {'city':'Milan', 'location':'De Vito', 'licence':'CC BY 4.0', 'missing':[-200],
               'time':{'column':['Date', 'Time'], 'stamp':'start', 'zone':'Etc/GMT-1'},
               'columns':{'CO(GT)':{'parameter':'co', 'unit':'mg/m³'}, 'NOx(GT)':{'parameter':'nox', 'unit':'ppb'}, 'NO2(GT)':{'parameter':'no2'},
                          'T':{'parameter':'temp'}, 'RH':{'parameter':'rh'}}}
    batch, raw = read_file(path, mapping=mapping), pd.read_csv(path, na_values=[-200, '-200.0'])
    ends = (pd.to_datetime(raw['Date'] + ' ' + raw['Time']) + pd.Timedelta(hours=1)).dt.tz_localize('Etc/GMT-1')
    same(series(batch, 'co'), raw['CO(GT)'].set_axis(ends)*1000)
    same(series(batch, 'nox'), raw['NOx(GT)'].set_axis(ends)*unit_factor('nox', 'ppb'))
    same(series(batch, 'temp'), raw['T'].set_axis(ends))
    assert len(batch.refused) == 8
    summer = {**mapping, 'time':{**mapping['time'], 'zone':'Europe/Rome'}}
    with pytest.raises(AqwError, match='2004-03-28 02:00:00. is skipped or shown twice by the clock of Europe/Rome'): read_file(path, mapping=summer)


def test_archive_layout(tmp_path):
    "The documentation's example ends in a line of three dots: that line is shown; without it the file is read."
    example = next(shared('openaq/archive_layout').glob('*.csv'))
    mapping = {'city':'Albuquerque', 'location':'Del Norte', 'licence':'US Public Domain', 'time':{'column':'datetime', 'stamp':'end'},
               'rows':{'parameter':'parameter', 'value':'value', 'unit':'units'}}
    with pytest.raises(AqwError, match=r"line 16: 1 fields where the header has 9; the line is '\.\.\.'"): read_file(example, mapping=mapping)
    path = tmp_path/example.name
    path.write_text(example.read_text(encoding='utf-8').replace('...', ''), encoding='utf-8')
    batch, raw = read_file(path, mapping=mapping), pd.read_csv(path)
    assert batch.readings.height == len(raw) == 14 and batch.refused.is_empty()
    for (parameter, unit), rows in raw.groupby(['parameter', 'units']):
        same(series(batch, parameter), (rows['value']*unit_factor(parameter, unit)).set_axis(pd.to_datetime(rows['datetime'], utc=True)))
    assert batch.readings['tz'][0] == 'America/Denver'


def test_quality_checks():
    path = shared('openaq/quality_checks')/'addis-ababa-20180202.csv'
    mapping = {'city':'Addis Ababa', 'location':'US Diplomatic Post', 'lat':8.996519, 'lon':38.725433, 'time':{'column':'utc', 'stamp':'end'},
               'rows':{'parameter':'parameter', 'value':'value', 'unit':'unit'}}
    batch, raw = read_file(path, mapping=mapping), pd.read_csv(path)
    same(series(batch, 'pm25'), raw['value'].set_axis(pd.to_datetime(raw['utc'])))
    flagged = flag_readings(batch.readings)
    assert flagged.filter(flags='sentinel').height == (raw['value'] == -999).sum() > 0
    assert flagged.filter(usable()).height == (raw['value'] > -999).sum()
