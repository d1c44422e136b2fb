"What people get wrong: each is two lines that say what to do, an exit code, and nothing lost."
import re
import shlex
import shutil
import subprocess

import pytest
from aq_workbench.core import AqwError, Settings
from aq_workbench.store import FeatureStore
from aq_workbench.store.sync import sync_folder
from conftest import aqw, aqw_process, need, run_here, write_city


def refused(done, *texts):
    "The command failed with these texts and without a traceback."
    shown = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert done.returncode != 0 and "Traceback" not in shown, shown
    for text in texts: assert text in shown, shown


@pytest.fixture
def folder(tmp_path): return write_city(tmp_path / "in", stations=("Dongsi",), days=5)


def edit(folder, change):
    path = next(folder.glob("*.csv"))
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def load(folder, home): return sync_folder(FeatureStore(Settings(home=home, source="files")), folder, "Beijing")["added"]


EXPLORER = "location_id,location_name,parameter,value,unit,datetimeUtc,datetimeLocal,timezone,latitude,longitude,country_iso,isMobile,isMonitor,owner_name,provider\n"
ROW = '7,"Toronto Downtown","no2",{},"{}","2025-09-01T0{}:00:00Z","2025-08-31T21:00:00-04:00","America/Toronto",43.645,-79.389,,,,"x","AirNow"\n'


def repeat_with_777(text):
    line = text.splitlines()[5]
    return text + line.replace("," + line.split(",")[5] + ",", ",777,", 1) + "\n"


FOLDERS = {
    "missing column": (lambda s: s.replace("hour,", "stunde,", 1), ["hour", "stunde"]),
    "corrupt lines": (lambda s: s.replace(",2015,1,1,", ",20#5,1,1,"), ["line 2", "20#5", "and 21 more"]),
    "unknown format": (lambda s: "when,what\n1,2\n", ["Dongsi.csv", "mapping"]),
    "empty file": (lambda s: "", ["Dongsi.csv", "empty"]),
    "city not in the data": (lambda s: s, ["'city not in the data' is not in the data", "['Beijing']"]),
}


@pytest.mark.parametrize("mistake", [*FOLDERS, "empty folder"])
def test_mistakes_in_files(mistake, tmp_path):
    change, words = FOLDERS.get(mistake, (None, ["empty folder"]))
    folder = tmp_path / mistake
    if change: edit(write_city(folder, stations=("Dongsi",), days=5), change)
    else: folder.mkdir()
    with pytest.raises(AqwError) as error:
        sync_folder(FeatureStore(Settings(home=tmp_path, source="files")), folder, mistake if "city" in mistake else "Beijing")
    assert error.value.do, "says what to do"
    for text in words: assert text in f"{error.value.what} {error.value.do}", error.value


BEARABLE = {   # What is done to the file, what is said, how many readings are lost, how many rows wait in quarantine
    "corrupt line": (lambda s: s.replace("\n7,2015,1,1,6", "\n7,20#5,1,1,6", 1), ["line 8", "20#5"], 12, 1),
    "one letter": (lambda s: s.replace("\n7,2015,1,1,6,", "\n7,2015,1,1,6,x", 1), ["line 8", "is no number"], 1, 1),
    "one dash": (lambda s: re.sub(r"(\n7,2015,1,1,6,)[^,]*", r"\1-", s, count=1), ["line 8", "'-' in column PM2.5 is no number"], 1, 1),
    "cut off": (lambda s: s.rstrip()[:-30], ["line 121", "fields where the header has"], 12, 1),
    "duplicate hours": (repeat_with_777, ["777", "Dongsi", "line 6"], 1, 13),
}


@pytest.mark.parametrize("mistake", BEARABLE)
def test_a_bad_line_stops_only_itself(mistake, folder, tmp_path):
    change, words, lost, refused = BEARABLE[mistake]
    whole = load(folder, tmp_path / "whole")
    edit(folder, change)
    result = sync_folder(FeatureStore(Settings(home=tmp_path, source="files")), folder, "Beijing")
    assert whole == 12 * 24 * 5, "twelve values an hour"
    assert result["added"] == whole - lost
    assert result["refused"] == refused, "it waits in quarantine"
    for text in words: assert any(text in note for note in result["notes"]), result["notes"]


def test_units_may_change_from_row_to_row(tmp_path):
    (tmp_path / "toronto.csv").write_text(EXPLORER + ROW.format(.01, "ppm", 1) + ROW.format(20, "µg/m³", 2))
    store = FeatureStore(Settings(home=tmp_path, source="files"))
    result = sync_folder(store, tmp_path / "toronto.csv", "Toronto")
    assert store.scan().collect().sort("event_ts")["value"].round(1).to_list() == [18.8, 20.0]
    assert any("'ppm' and 'µg/m³'" in note for note in result["notes"])


def test_the_reference_temperature_reaches_files(tmp_path):
    (tmp_path / "toronto.csv").write_text(EXPLORER + ROW.format(.01, "ppm", 1))
    store = FeatureStore(Settings(home=tmp_path, source="files", gas_temperature_c=20))
    sync_folder(store, tmp_path / "toronto.csv", "Toronto")
    assert store.scan().collect()["value"].round(2).to_list() == [19.13]


def test_nobody_named_a_city_or_a_path(folder, tmp_path):
    refused(aqw("run", "--path", folder, home=tmp_path), "no city was named", "cities.yaml")
    refused(aqw("run", "--source", "files", "--cities", "Beijing", home=tmp_path), "--path")
    refused(aqw("run", "--cities", "Beijing", "--path", tmp_path / "out", home=tmp_path), "there is no", "--path")
    refused(aqw("run", "--cities", "Beijing", "--source", "satellite", home=tmp_path), "satellite", "files")


def test_daily_data_are_not_taken_for_hours(tmp_path):
    (tmp_path / "in").mkdir()
    days = "".join(f"Delhi,2015-{m:02}-{d:02},{100 + d},150,3,4,5,6,0.7,8,9,1,2,3,200,Poor\n" for m in range(1, 9) for d in range(1, 29))
    (tmp_path / "in/city_day.csv").write_text("City,Date,PM2.5,PM10,NO,NO2,NOx,NH3,CO,SO2,O3,Benzene,Toluene,Xylene,AQI,AQI_Bucket\n" + days)
    with pytest.raises(AqwError, match="daily(?s:.*)1440"): run_here("Delhi", home=tmp_path, source="files", path=str(tmp_path / "in"))


def test_broken_delta_log(folder, tmp_path):
    stored = load(folder, tmp_path)
    log = next((tmp_path / "data/files/store/live_measurements/_delta_log").glob("*0.json"))
    whole = log.read_text()
    log.write_text(whole[:len(whole) // 2])
    edit(folder, lambda s: s.replace(",500,", ",501,", 1))
    with pytest.raises(AqwError, match="cannot be used(?s:.*)restore"): load(folder, tmp_path)
    log.write_text(whole)
    assert load(folder, tmp_path) == 0 and len(FeatureStore(Settings(home=tmp_path, source="files")).load_features()) == stored, "nothing was lost"


def test_full_disk(folder, tmp_path):
    "A real small disk: what was stored stays, what did not fit is said."
    small = tmp_path / "small"
    small.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", small], capture_output=True).returncode == 0
    need(mounted, "a small disk needs the right to mount a tmpfs")
    try:
        stored = load(folder, small)
        (small / "filler").write_bytes(b"x" * (shutil.disk_usage(small).free - 60_000))
        big = write_city(tmp_path / "big", stations=("Wanliu",), days=60)
        refused(aqw("fetch", "--path", big, "--cities", "Beijing", home=small), "full")
        (small / "filler").unlink()
        assert len(FeatureStore(Settings(home=small, source="files")).load_features()) == stored
    finally: subprocess.run(["umount", "-l", small])


def test_debug_shows_the_traceback(tmp_path):
    assert "Traceback" in aqw_process("drift", "Delhi", home=tmp_path, AQW_DEBUG="1").stderr
    refused(aqw("drift", "Delhi", home=tmp_path), "nobody has watched 'Delhi'", "bring it in: aqw run --cities Delhi")


def test_a_mended_mapping_takes_the_wrong_reading_back(tmp_path):
    "A file was read in the wrong unit and with the wrong stamp; the command that the note names makes it history, read rightly."
    home, files, mapping = tmp_path / "home", tmp_path / "my files", tmp_path / "my mapping.yaml"
    for place in (home, files): place.mkdir()
    (files / "markt.csv").write_text("time,co\n" + "".join(f"2016-02-01 {h:02}:00,{h + 1}\n" for h in range(24)))
    rules = "city: Delft\nlocation: Markt\ntime: {column: time, stamp: %s, zone: UTC}\ncolumns: {co: {parameter: co, unit: %s}}\n"
    store = FeatureStore(Settings(home=home, source="files"))
    mapping.write_text(rules % ("end", "µg/m³"))
    wrong = sync_folder(store, files, "Delft", mapping=mapping)
    mapping.write_text(rules % ("start", "mg/m³"))
    mended = sync_folder(store, files, "Delft", mapping=mapping)
    assert [wrong[k] for k in ("added", "corrected", "notes")] == [24, 0, []]
    assert [mended[k] for k in ("added", "corrected")] == [1, 23]
    assert store.load_features(asof="2016-02-03")["value"].min() == 1, "the past knows the wrong unit"
    program, *words = shlex.split(mended["notes"][0].partition("history: ")[2])
    done = aqw(*words, home=home)
    assert (program, done.returncode) == ("aqw", 0), done.stdout + done.stderr
    assert "48 rows of before were taken back, on record" in done.stdout
    past = store.load_features(asof="2016-02-03")
    assert past["value"].tolist() == [1000. * (h + 1) for h in range(24)]
    assert str(past["event_ts"].min()) == "2016-02-01 01:00:00+00:00", "the hour that only the wrong reading had is gone"
    assert len(store.load_features()) == 24
