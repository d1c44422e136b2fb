"Files as people have them, understood without a word: every format at known rows, every case of ../shared in one try, and `aqw check` as a user sees it."
import re
from datetime import datetime, timedelta

import polars as pl
import pytest
import yaml
from conftest import aqw

from aq_workbench.core import Settings, unit_factor, Unusable
from aq_workbench.fetcher import infer_mapping, read_file, read_folder, read_yaml
from aq_workbench.store import sync_city


def hourly(head, line, *, hours=48, start="2024-01-01 00:00"):
    "A header and a line for each hour."
    moments = [datetime.fromisoformat(start) + timedelta(hours=i) for i in range(hours)]
    return "\n".join([head, *(line(t, i) for i, t in enumerate(moments))]) + "\n"


AQS = ("State Code,County Code,Site Num,Parameter Code,POC,Latitude,Longitude,Datum,Parameter Name,Date Local,Time Local,Date GMT,Time GMT,Sample Measurement,"
       "Units of Measure,MDL,Uncertainty,Qualifier,Method Type,Method Code,Method Name,State Name,County Name,Date of Last Change\n")
AQS_DAY = ("State Code,County Code,Site Num,Parameter Code,POC,Latitude,Longitude,Datum,Parameter Name,Sample Duration,Pollutant Standard,Date Local,Units of Measure,"
           "Event Type,Observation Count,Observation Percent,Arithmetic Mean,1st Max Value,1st Max Hour,AQI,Method Code,Method Name,Local Site Name,Address,State Name,"
           "County Name,City Name,CBSA Name,Date of Last Change\n")
DAY_ROW = ("06,037,1103,88101,{poc},34.06659,-118.22688,WGS84,PM2.5 - Local Conditions,24 HOUR,PM25 24-hour 2012,2024-01-0{day},Micrograms/cubic meter (LC),None,1,100.0,"
           "{value},12.5,0,57,145,R&P,North Main Street,1630 N Main,California,Los Angeles,Los Angeles,LA,2024-05-20\n")
AQOBS = ("AQSID,SiteName,Status,EPARegion,Latitude,Longitude,Elevation,GMTOffset,CountryCode,StateName,ValidDate,ValidTime,DataSource,ReportingArea_PipeDelimited,OZONE_AQI,"
         "PM10_AQI,PM25_AQI,NO2_AQI,OZONE_Measured,PM10_Measured,PM25_Measured,NO2_Measured,PM25,PM25_Unit,OZONE,OZONE_Unit,NO2,NO2_Unit,CO,CO_Unit,SO2,SO2_Unit,PM10,"
         "PM10_Unit\n060371103,Los Angeles-N. Main,Active,R9,34.0664,-118.2267,87.0,-8.00,US,CA,05/01/2026,00:00,South Coast AQMD,Central LA CO,29,,52,,1,,1,,12.5,UG/M3,31,"
         "PPB,,,0.3,PPM,,,,\n")
E2A = ("Countrycode,Namespace,AirQualityNetwork,AirQualityStation,AirQualityStationEoICode,SamplingPoint,SamplingProcess,Sample,AirPollutant,AirPollutantCode,AveragingTime,"
       "Concentration,UnitOfMeasurement,DatetimeBegin,DatetimeEnd,Validity,Verification\n")
E2A_ROW = ("DE,DE.X,NET,STA.DE_DEBE010,DEBE010,SPO.DE_DEBE010_NO2,SPP,SPL,NO2,http://dd.eionet.europa.eu/vocabulary/aq/pollutant/8,hour,{v},µg/m3,"
           "2023-01-01 0{h}:00:00 +01:00,2023-01-01 0{n}:00:00 +01:00,1,1\n")
AIRBASE = "".join(f"1990-01-0{d}\t" + "\t".join(f"{h}.0\t1" if (d, h) != (2, 0) else "-999.0\t0" for h in range(24)) + "\n" for d in (2, 3))
EMBASSY = """This data is provided by the U.S. Department of State,,,,,,,,,,
Not fully verified,,,,,,,,,,
Site,Parameter,Date (LST),Year,Month,Day,Hour,Value,Unit,Duration,QC Name
Beijing,PM2.5,1/1/2013 0:00,2013,1,1,0,-999,µg/m³,1 Hr,Missing
Beijing,PM2.5,1/1/2013 1:00,2013,1,1,1,53,µg/m³,1 Hr,Valid
Beijing,PM2.5,1/13/2013 2:00,2013,1,13,2,57,µg/m³,1 Hr,Valid
"""
EEA = "Samplingpoint\tPollutant\tStart\tEnd\tValue\tUnit\tAggType\tValidity\tVerification\n"
CHINA = "date,hour,type,北京,天津,上海\n" + "".join(f"20240101,{h},{kind}\n" for h in (0, 1) for kind in ("AQI,50,60,70", "PM2.5,35,42,", "PM2.5_24h,36,43,51", "CO,0.6,0.7,0.8"))
LONG = """city,country,date.utc,location,parameter,value,unit
Antwerpen,BE,2019-06-18 06:00:00+00:00,BETR801,pm25,18.0,µg/m³
Antwerpen,BE,2019-06-17 08:00:00+00:00,BETR801,pm25,6.5,µg/m³
Paris,FR,2019-06-18 06:00:00+00:00,FR04014,no2,20.0,µg/m³
"""

# name -> file, text, city asked for, what a person answers, and one row that is known: end in UTC, parameter, value, station
SURE = {
    "eea": ("f.csv", EEA + "GB/SPO.GB0566A\t8\t2023-01-01 00:00:00\t2023-01-01 01:00:00\t5.1\tug.m-3\thour\t1\t3\n", "London", {}, "2023-01-01T00:00", "no2", 5.1, "GB/SPO.GB0566A"),
    "eea day": ("f.csv", EEA + "GB/SPO.X\t6001\t2023-01-01 00:00:00\t2023-01-02 00:00:00\t9\tug.m-3\tday\t1\t1\n", "London", {}, "2023-01-01T23:00", "pm25", 9, "GB/SPO.X"),
    "eea e2a": ("f.csv", E2A + E2A_ROW.format(v=23.4, h=0, n=1) + E2A_ROW.format(v=20, h=1, n=2), "Berlin", {}, "2023-01-01T00:00", "no2", 23.4, "STA.DE_DEBE010"),
    "airbase": ("BETR8010000800100hour.1-1-1990.31-12-2012", AIRBASE, "Antwerp", {"time": {"zone": "Etc/GMT-1"}}, "1990-01-02T01:00", "no2", 1, "BETR801"),
    "aqs hourly": ("h.csv", AQS + '06,037,1103,44201,1,34.06659,-118.22688,WGS84,Ozone,2024-01-01,00:00,2024-01-01,08:00,0.031,Parts per million,.005,,,FEM,87,X,California,Los Angeles,2024-05-20\n',
                   "", {}, "2024-01-01T09:00", "o3", .031*unit_factor("o3", "ppm"), "06 037 1103"),
    "aqs daily": ("d.csv", AQS_DAY + DAY_ROW.format(poc=1, day=1, value=12.5) + DAY_ROW.format(poc=3, day=1, value=13) + DAY_ROW.format(poc=1, day=4, value=14),
                  "", {}, "2024-01-02T08:00", "pm25", 12.5, "North Main Street"),
    "airnow": ("HourlyData.dat", "05/01/26|00:00|060371103|Los Angeles-N. Main|-8|PM2.5|UG/M3|12.5|South Coast AQMD\n05/01/26|00:00|060371103|Los Angeles-N. Main|-8|OZONE|PPB|31|AQMD\n",
               "Los Angeles", {}, "2026-05-01T01:00", "pm25", 12.5, "Los Angeles-N. Main"),
    "airnow aqobs": ("HourlyAQObs.dat", AQOBS, "", {}, "2026-05-01T01:00", "co", .3*unit_factor("co", "ppm"), "Los Angeles-N. Main"),
    "purpleair": ("p.csv", "time_stamp,humidity,temperature,pm2.5_atm,pm2.5_cf_1\n1704067200,45,68,12.1,13.2\n1704067800,46,50,13.1,14.2\n1704068400,46,50,13.1,14.2\n", "Denver", {},
                  "2024-01-01T00:10", "temp", 20, "p"),
    "sensor.community": ("s.csv", "sensor_id;sensor_type;location;lat;lon;timestamp;P1;durP1;ratioP1;P2;durP2;ratioP2\n140;SDS011;60;48.779;9.160;2024-01-01T00:01:10;12.5;;;6.3;;\n"
                         "140;SDS011;60;48.779;9.160;2024-01-01T00:03:38;12.9;;;6.5;;\n", "", {}, "2024-01-01T00:01:10", "pm25", 6.3, "140"),
    "china cities": ("c.csv", CHINA, "", {}, "2023-12-31T16:00", "co", 600, "北京"),
    "china stations": ("c.csv", CHINA.replace("北京,天津,上海", "1001A,1002A,1003A"), "Beijing", {}, "2023-12-31T16:00", "pm25", 35, "1001A"),
    "embassy": ("e.csv", EMBASSY, "", {}, "2012-12-31T18:00", "pm25", 53, "Beijing"),
    "pandas wide": ("air_quality_no2.csv", hourly("datetime,station_antwerp,station_paris,station_london", lambda t, i: f"{t},{i},{20 + i},"), "",
                    {"columns": {"value": {"parameter": "no2", "unit": "µg/m³"}}, "time": {"zone": "UTC"}}, "2024-01-01T01:00", "no2", 20, "paris"),
    "pandas long": ("l.csv", LONG, "", {}, "2019-06-17T08:00", "pm25", 6.5, "BETR801"),
    "openaq r": ("r.csv", "location,parameter,value,unit,country,city,latitude,longitude,dateUTC,dateLocal\nDTU,pm25,120,µg/m³,IN,Delhi,28.74,77.11,2018-01-01T00:00:00Z,2018-01-01T05:30:00+05:30\n",
                 "", {}, "2018-01-01T00:00", "pm25", 120, "DTU"),
    "importUKAQ": ("u.csv", "source,site,code,date,latitude,longitude,site_type,no2,co\naurn,Marylebone Road,MY1,2024-01-01 00:00:00,51.52253,-0.154611,Urban Traffic,31,0.3\n", "", {},
                   "2024-01-01T01:00", "co", 300, "Marylebone Road"),
    "importUKAQ long": ("u.csv", "date,site,code,pollutant,value\n2024-01-01 00:00:00,Marylebone Road,MY1,no2,31\n2024-01-01 00:00:00,Marylebone Road,MY1,co,0.3\n", "London", {},
                        "2024-01-01T01:00", "co", 300, "Marylebone Road"),
    "openair": ("mydata.csv", hourly("date,ws,wd,nox,no2,o3,pm10,so2,co,pm25", lambda t, i: f"{t},1,280,285,39,1,29,4,3.4,"), "London", {}, "2024-01-01T01:00", "no2", 39*unit_factor("no2", "ppb"), "mydata"),
    "cpcb station": ("c.csv", "From Date,To Date,PM2.5 (ug/m3),CO (mg/m3)\n13-01-2024 00:00,13-01-2024 01:00,55,None\n13-01-2024 01:00,13-01-2024 02:00,56,0.8\n", "Delhi", {},
                     "2024-01-12T20:30", "co", 800, "c"),
    "units below": ("b.csv", hourly("date (UTC),NO2,PM2.5\n,ppb,ug/m3", lambda t, i: f"{t:%d/%m/%Y %H:%M},{i + 1},{i + 2}"), "Rome", {}, "2024-01-01T01:00", "no2", unit_factor("no2", "ppb"), "b"),
    "brackets": ("b.csv", hourly("Timestamp (UTC),NO2 (µg/m³),O3 [ppb],AQI", lambda t, i: f"{t:%Y-%m-%dT%H:%M:%SZ},{i + 1},{i + 2},50"), "Rome", {}, "2024-01-01T02:00", "no2", 2, "b"),
    "german": ("d.csv", hourly("Datum;Uhrzeit;PM10 (µg/m³);Ozon (µg/m³)", lambda t, i: f"{t:%d.%m.%Y};{t:%H:%M};{i},5;{i + 1},25"), "Berlin", {"time": {"zone": "Etc/GMT-1"}},
               "2024-01-01T00:00", "o3", 1.25, "d"),
    "us dates": ("u.csv", hourly("Date,Time,Ozone (ppm)", lambda t, i: f"{t:%m/%d/%Y},{t:%I:%M %p},0.0{i % 9 + 1}", start="2024-01-12 00:00"), "Denver", {"time": {"zone": "America/Denver"}},
                 "2024-01-12T08:00", "o3", .01*unit_factor("o3", "ppm"), "u"),
    "hours 1 to 24": ("h.csv", "day,hour,pm25\n" + "".join(f"2024-01-01,{h},{h}\n" for h in range(1, 25)), "Berlin", {"time": {"zone": "Etc/GMT-1"}}, "2024-01-01T23:00", "pm25", 24, "h"),
}


def known_row(batch, parameter, at, station):
    "The value of one reading."
    moment = datetime.fromisoformat(at + "+00:00")
    return batch.readings.filter(pl.col("event_ts") == moment, parameter=parameter, location=station)["value"].to_list()


@pytest.mark.parametrize("name", SURE)
def test_a_format_is_read_at_a_known_row(name, tmp_path):
    file, text, city, given, at, parameter, value, station = SURE[name]
    (tmp_path / file).write_text(text, encoding="utf-8")
    batch = read_file(tmp_path / file, city=city, mapping=given or None)
    assert pytest.approx(value) in known_row(batch, parameter, at, station)


def test_what_else_the_formats_say(tmp_path):
    "Days are days, a validity is heard, instruments stay apart, indices and long means are no values."
    def read(name):
        file, text, city, given, *_ = SURE[name]
        (tmp_path / file).write_text(text, encoding="utf-8")
        return read_file(tmp_path / file, city=city, mapping=given or None).readings
    assert read("eea day")["period_min"].to_list() == [1440]
    assert read("eea")["status"].to_list() == ["provisional"]
    assert sorted(read("aqs daily")["sensor_id"].unique()) == ["los-angeles-06-037-1103/pm25/1", "los-angeles-06-037-1103/pm25/3"]
    assert set(read("china cities")["parameter"]) == {"pm25", "co"} and set(read("china cities")["city"]) == {"Beijing", "Tianjin", "Shanghai"}
    assert read("airbase").height == 47 and set(read("purpleair").filter(parameter="pm25")["value"].round(1)) == {12.1, 13.1}
    assert set(read("purpleair")["is_monitor"]) == {False} and set(read("eea")["is_monitor"]) == {True}


ASKED = {   # text -> keys that are asked for, of a file of Delhi
    "date,pm25\n2024-01-01 00:00,5\n2024-01-01 01:00,6\n": ["time.stamp", "time.zone"],
    "date,no2\n2024-01-01,5\n2024-01-02,6\n": ["unit"],
    "date,ws\n2024-01-01T00:00Z,18\n2024-01-01T01:00Z,25\n": ["unit", "time.stamp"],
    "date,Value\n2024-01-01,5\n2024-01-02,6\n": ["columns"],
    "date,pm25,status\n2024-01-01,5,A\n2024-01-02,6,B\n": ["quality.status"],
    "date,pm25\n02/01/2024,5\n": ["time.order"],
    "date;pm25\n2024-01-01;1,500\n": ["decimal"],
    "date,pm25\n2024-01-01,5\n2024-01-02,<2\n": ["missing"],
}


@pytest.mark.parametrize("text", ASKED)
def test_what_no_file_can_say_is_asked(text, tmp_path):
    "And its first answer, put into a mapping, leaves that question answered."
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = infer_mapping(tmp_path / "a.csv", city="Delhi")
    assert [q.key for q in found.questions] == ASKED[text]
    with pytest.raises(Unusable, match=re.escape(found.questions[0].asks[:-1])): read_file(tmp_path / "a.csv", city="Delhi")
    for q in found.questions:
        (tmp_path / "m.yaml").write_text(q.answers[0], encoding="utf-8")
        assert q.key not in [p.key for p in infer_mapping(tmp_path / "a.csv", city="Delhi", given=read_yaml(tmp_path / "m.yaml")).questions]


def test_traces_of_summer_time_decide(tmp_path):
    "A year that skips an hour in March goes by the wall clock; London's without a trace is UTC; India has no trace, so the course of the day is the evidence."
    def asked(city, lines):
        (tmp_path / "y.csv").write_text("date,o3 (ppb)\n" + "".join(lines), encoding="utf-8")
        return infer_mapping(tmp_path / "y.csv", city=city)
    year = [datetime(2023, 1, 1) + timedelta(hours=i) for i in range(8760)]
    rows = [f"{t},{40 - abs(t.hour - 9)}\n" for t in year]
    assert asked("London", rows).mapping["time"]["zone"] == "UTC"
    wall = [r for r, t in zip(rows, year) if t != datetime(2023, 3, 26, 1)]
    assert asked("London", wall).mapping["time"]["zone"] == "Europe/London"
    (question,) = asked("Delhi", rows).questions
    assert "o3 is highest at 14:00 if the stamps are UTC, 09:00 if the stamps are Asia/Kolkata" in question.why
    assert question.answers[0] == "time: {zone: UTC}"


# what is asked of the files of ../shared, with the city given; the others answer everything. China's names say another city than Delhi
SHARED = {
    "blank-last-field/b.csv": {"unit"},
    "china/ChengduPM20100101_20151231.csv": {"city"},
    "china/ShanghaiPM20100101_20151231.csv": {"city"},
    "dead-sensor/h2.csv": {"time.zone"},
    "decimal-comma/AirQualityUCI.csv": {"time.stamp", "time.zone"},
    "decimal-comma/clean.csv": {"time.stamp", "time.zone"},
    "empty-field/blank.csv": {"time.stamp", "time.zone", "unit"},
    "empty-field/long.csv": {"time.stamp", "time.zone"},
    "empty-field/quoted.csv": {"time.stamp", "time.zone", "unit"},
    "fractions-and-kmh/k.csv": {"time.stamp", "time.zone", "unit"},
    "hour-24/iso.csv": {"time.zone"},
    "hour-24/num.csv": {"time.zone"},
    "hour-24/two.csv": {"time.zone"},
    "italy/AirQualityUCI.csv": {"time.stamp", "time.zone"},
    "parallel-instruments/i.csv": {"columns"},
    "preamble/f.csv": {"columns", "time.stamp", "time.zone"},
    "quality-column/d.csv": {"time.stamp", "time.zone", "unit"},
    "repeated-hour/j.csv": {"time.stamp", "time.zone"},
    "sparse-hours/thin.csv": {"time.stamp", "time.zone"},
    "sparse-hours/two.csv": {"time.zone"},
    "subhourly/logger.csv": {"time.zone"},
    "unit-spelling/e.csv": {"time.stamp", "time.zone"},
}


@pytest.mark.long
def test_every_file_of_shared_is_understood_in_one_try(shared):
    files = [*sorted(shared.parent.glob("cases/*/*.csv")), *sorted(shared.glob("*/*.csv")), *sorted(shared.glob("openaq/*/*.csv"))]
    files = [f for f in files if f.name != "stations.csv" and not (f.parent.name == "beijing" and "Dongsi" not in f.name)]
    assert len(files) > 30
    asked = {f"{f.parent.name}/{f.name}": {q.key for q in infer_mapping(f, city="Delhi").questions} for f in files}
    assert {name: keys for name, keys in asked.items() if keys} == SHARED
    assert infer_mapping(shared / "china/ChengduPM20100101_20151231.csv", city="Chengdu").questions == ()


@pytest.mark.long
def test_measured_files_are_read_as_their_mappings_read_them(shared):
    "The values that tests of these files have from a description written by hand."
    chengdu = read_file(shared / "china/ChengduPM20100101_20151231.csv", city="Chengdu")
    assert known_row(chengdu, "pm25", "2012-05-14T07:00", "US Post") == [46]
    marylebone = read_file(shared / "london/marylebone_road_1998_2003.csv", city="London")
    assert marylebone.readings.height == 449_870
    assert known_row(marylebone, "no2", "1998-01-01T01:00", "marylebone_road_1998_2003") == [pytest.approx(39*unit_factor("no2", "ppb"))]
    italy = read_file(shared / "italy/AirQualityUCI.csv", mapping={"city": "Turin", "time": {"stamp": "start", "zone": "Etc/GMT-1"}})
    assert known_row(italy, "co", "2004-03-10T18:00", "AirQualityUCI") == [2600]
    addis = read_file(shared / "openaq/quality_checks/addis-ababa-20180202.csv")
    assert addis.readings.is_empty() and "missing values are marked by -999 (10 times)" in addis.notes


DELHI = hourly("date,pm25,no2", lambda t, i: f"{t:%Y-%m-%d %H:%M},{i % 24 + 5},{i % 9 + 20}")


def test_check_shows_asks_and_writes_what_fetch_then_reads(tmp_path):
    (tmp_path / "delhi.csv").write_text(DELHI, encoding="utf-8")
    seen = aqw("check", "delhi.csv", "--city", "Delhi", home=tmp_path, COLUMNS="80")
    assert seen.returncode == 1 and max(map(len, seen.stdout.splitlines())) <= 80, seen.stdout
    assert "2 questions" in seen.stdout and "In which unit is no2?" in seen.stdout and "Whose clock do the stamps show?" in seen.stdout
    assert "pm25 = pm25 in µg/m³" in seen.stdout and "If the first answer to each question is right" in seen.stdout
    (tmp_path / "answers.yaml").write_text("columns: {no2: {unit: ppb}}\ntime: {zone: Asia/Kolkata}\n", encoding="utf-8")
    sure = aqw("check", "delhi.csv", "--city", "Delhi", "--mapping", "answers.yaml", "--write", "delhi.yaml", home=tmp_path, COLUMNS="80")
    assert sure.returncode == 0 and "2023-12-31 19:30" in sure.stdout, sure.stdout + sure.stderr
    again = aqw("check", "delhi.csv", "--write", "delhi.yaml", home=tmp_path)
    assert again.returncode == 1 and "is there already" in again.stderr
    command = re.search(r"aqw (fetch .*)", sure.stdout)[1].split()
    assert command[:5] == ["fetch", "--source", "files", "--cities", "Delhi"]
    options = dict(zip(command[1::2], command[2::2]))
    came = sync_city("Delhi", settings=Settings(home=tmp_path, source="files"), path=str(tmp_path / options["--path"]), mapping=str(tmp_path / options["--mapping"]))
    assert came["files"] == 1 and came["refused"] == 0
    assert set(yaml.safe_load((tmp_path / "delhi.yaml").read_text(encoding="utf-8"))) >= {"city", "time", "columns"}


def test_fetch_infers_what_is_sure_and_never_answers_a_question(tmp_path):
    (tmp_path / "sure.csv").write_text(DELHI.replace("date", "date (UTC)").replace("no2", "no2 (ppb)"), encoding="utf-8")
    settings = Settings(home=tmp_path, source="files")
    came = sync_city("Delhi", settings=settings, path=str(tmp_path / "sure.csv"))
    assert "sure.csv: the city is Delhi, as was asked for" in came["notes"]
    (tmp_path / "open.csv").write_text(DELHI, encoding="utf-8")
    with pytest.raises(Unusable, match="(?s)2 questions are open.*time: {zone:"): sync_city("Delhi", settings=settings, path=str(tmp_path / "open.csv"))
    both = aqw("fetch", "--source", "files", "--cities", "Delhi,Mumbai", "--path", "sure.csv", home=tmp_path)
    assert both.returncode == 1 and "may be of Delhi or Mumbai" in both.stderr


@pytest.mark.long
def test_the_command_that_check_ends_with_stores_the_file(tmp_path):
    (tmp_path / "sure.csv").write_text(DELHI.replace("date", "date (UTC)").replace("no2", "no2 (ppb)"), encoding="utf-8")
    seen = aqw("check", "sure.csv", "--city", "Delhi", "--write", "sure.yaml", home=tmp_path)
    stored = aqw(*re.search(r"aqw (fetch .*)", seen.stdout)[1].split(), home=tmp_path)
    assert stored.returncode == 0 and "the city is Delhi" not in stored.stdout, stored.stdout + stored.stderr
    (tmp_path / "open.csv").write_text(DELHI, encoding="utf-8")
    refused = aqw("fetch", "--source", "files", "--cities", "Delhi", "--path", "open.csv", home=tmp_path)
    said = " ".join((refused.stdout + refused.stderr).split())
    assert refused.returncode != 0 and "2 questions are open" in said and "time: {zone:" in said, said


def test_check_of_a_folder_has_a_line_for_each_file(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("eea", "importUKAQ", "german"): (folder / f"{name}.csv").write_text(SURE[name][1], encoding="utf-8")
    (folder / "odd.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    seen = aqw("check", "files", "--city", "London", home=tmp_path, COLUMNS="80")
    assert seen.returncode == 1 and max(len(line) for line in seen.stdout.splitlines() if not line.startswith("Store it")) <= 80
    assert "4 tables" in seen.stdout and "asks for time.zone" in seen.stdout and "refused: no column tells the" in seen.stdout
    assert seen.stdout.count("readable:") == 2
    missing = aqw("check", "nowhere", home=tmp_path)
    assert missing.returncode == 1 and "there is no" in missing.stderr


def uncommented(text):
    "A written mapping with one of its open answers taken as right, for each of them."
    lines = text.splitlines()
    for n, line in enumerate(lines):
        bare = line.lstrip()
        if n and bare.startswith("# ") and not bare.startswith(("# OPEN", "# Assumed", "# Read")): yield "\n".join([*lines[:n], line.replace("# ", "", 1), *lines[n + 1:]])


def test_each_open_answer_of_a_written_mapping_can_be_uncommented(tmp_path):
    "Whoever takes the mark away from one line has a file that loads, and that question is no longer put."
    (tmp_path / "delhi.csv").write_text(DELHI, encoding="utf-8")
    aqw("check", "delhi.csv", "--city", "Delhi", "--write", "delhi.yaml", home=tmp_path)
    before, n = {q.key for q in infer_mapping(tmp_path / "delhi.csv", city="Delhi").questions}, 0
    for n, text in enumerate(uncommented((tmp_path / "delhi.yaml").read_text(encoding="utf-8")), 1):
        (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
        after = {q.key for q in infer_mapping(tmp_path / "delhi.csv", city="Delhi", given=read_yaml(tmp_path / "one.yaml")).questions}
        assert len(after) == len(before) - 1
    assert n >= 4, "two questions with two answers at least"


def test_a_mapping_for_a_folder_names_no_station_of_one_file(tmp_path):
    "Two files of one shape: the mapping that is written for both leaves each its own station and its own columns."
    (folder := tmp_path / "in").mkdir()
    sure = DELHI.replace("date", "date (UTC)").replace("no2", "no2 (ppb)")
    (folder / "north.csv").write_text(sure, encoding="utf-8")
    (folder / "south.csv").write_text(sure.replace("no2", "so2"), encoding="utf-8")
    seen = aqw("check", "in", "--city", "Delhi", "--write", "both.yaml", home=tmp_path)
    assert seen.returncode == 0, seen.stdout
    text, written = (tmp_path / "both.yaml").read_text(encoding="utf-8"), read_yaml(tmp_path / "both.yaml")
    assert "# Read from each file, since they differ: location, columns." in text
    assert "location" not in written
    alone = {b.name: b.readings for b in read_folder(folder, city="Delhi")}
    by_mapping = {b.name: b.readings for b in read_folder(folder, mapping=tmp_path / "both.yaml")}
    for name, readings in alone.items():
        same = ["location_id", "parameter", "event_ts", "value"]
        assert by_mapping[name].select(same).equals(readings.select(same)), name
    assert len({r["location"][0] for r in by_mapping.values()}) == 2


def test_a_flag_beside_a_value_is_of_that_value(tmp_path):
    "Known words are taken, others asked about, and an answer as it is shown is enough."
    def text(word): return hourly("date (UTC),pm25,no2 (ppb),pm25_flag", lambda t, i: f"{t:%Y-%m-%d %H:%M},{20 + i % 7},{9 + i % 5},{word if i == 3 else 'Valid'}")
    (tmp_path / "north.csv").write_text(text("Invalid"), encoding="utf-8")
    readings = read_file(tmp_path / "north.csv", city="Delhi").readings
    assert readings.filter(pl.col("flags").str.contains("invalid")).select("parameter", "value").rows() == [("pm25", 23.)]
    (tmp_path / "north.csv").write_text(text("X9"), encoding="utf-8")
    with pytest.raises(Unusable, match="Which words of pm25_flag mean that a value of pm25 cannot be used"): read_file(tmp_path / "north.csv", city="Delhi")
    question = infer_mapping(tmp_path / "north.csv", city="Delhi").questions[0]
    (tmp_path / "m.yaml").write_text(question.answers[0], encoding="utf-8")
    readings = read_file(tmp_path / "north.csv", mapping=tmp_path / "m.yaml", city="Delhi").readings
    assert readings.filter(pl.col("flags").str.contains("invalid")).select("parameter", "value").rows() == [("pm25", 23.)]
