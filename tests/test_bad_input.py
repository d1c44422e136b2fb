"What people get wrong: each is two lines that say what to do, an exit code, and nothing lost."
import shutil
import subprocess

import pytest
from conftest import aqw, need, write_city


def refused(done, *texts):
    "The command failed with these texts and without a traceback."
    shown = " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert done.returncode != 0 and "Traceback" not in shown, shown
    for text in texts: assert text in shown, shown


@pytest.fixture
def folder(tmp_path): return write_city(tmp_path / "in", stations=("Dongsi",), days=5)


def edit(folder, change):
    path = next(folder.glob("*.csv"))
    path.write_text(change(path.read_text()))
    return path


def fetch(folder, home): return aqw("fetch", "--path", folder, "--cities", "Beijing", home=home)


def test_missing_column(folder, tmp_path):
    edit(folder, lambda s: s.replace('PM2.5,', 'PM_2,', 1).replace('hour,', 'stunde,', 1))
    refused(fetch(folder, tmp_path), "hour", "stunde")


def test_corrupt_line(folder, tmp_path):
    edit(folder, lambda s: s.replace("\n7,2015,1,1,6", "\n7,20#5,1,1,6,,,garbage", 1))
    refused(fetch(folder, tmp_path), "line 8")


def test_unknown_format(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("when,what\n1,2\n")
    refused(fetch(tmp_path / "in", tmp_path), "a.csv", "mapping")


def test_empty_folder_and_missing_folder(tmp_path):
    (tmp_path / "in").mkdir()
    refused(fetch(tmp_path / "in", tmp_path), "no")
    refused(fetch(tmp_path / "out", tmp_path), "there is no", "--path")


def test_mixed_units(tmp_path):
    head = "location_id,location_name,parameter,value,unit,datetimeUtc,datetimeLocal,timezone,latitude,longitude,country_iso,isMobile,isMonitor,owner_name,provider\n"
    row = '7,"Toronto Downtown","no2",{},"{}","2025-09-01T0{}:00:00Z","2025-08-31T21:00:00-04:00","America/Toronto",43.645,-79.389,,,,"x","AirNow"\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in/e.csv").write_text(head + row.format(.01, "ppm", 1) + row.format(20, "µg/m³", 2))
    refused(aqw("fetch", "--path", tmp_path / "in", "--cities", "Toronto", home=tmp_path), "ppm", "µg/m³", "no2")


def test_duplicate_hours(folder, tmp_path):
    edit(folder, lambda s: s + s.splitlines()[5].replace(s.splitlines()[5].split(",")[5], "777", 1) + "\n")
    refused(fetch(folder, tmp_path), "777")


def test_city_that_is_not_in_the_data(folder, tmp_path):
    refused(aqw("fetch", "--path", folder, "--cities", "Delhi", home=tmp_path), "'Delhi' is not in the data", "Beijing")


def test_nobody_named_a_city_or_a_path(folder, tmp_path):
    refused(aqw("run", "--path", folder, home=tmp_path), "no city was named", "cities.yaml")
    refused(aqw("run", "--cities", "Beijing", home=tmp_path), "--path")
    refused(aqw("run", "--cities", "Beijing", "--source", "satellite", home=tmp_path), "satellite", "files")


def test_daily_data_are_not_taken_for_hours(tmp_path):
    (tmp_path / "in").mkdir()
    days = "".join(f"Delhi,2015-{m:02}-{d:02},{100 + d},150,3,4,5,6,0.7,8,9,1,2,3,200,Poor\n" for m in range(1, 9) for d in range(1, 29))
    (tmp_path / "in/city_day.csv").write_text("City,Date,PM2.5,PM10,NO,NO2,NOx,NH3,CO,SO2,O3,Benzene,Toluene,Xylene,AQI,AQI_Bucket\n" + days)
    done = aqw("run", "--path", tmp_path / "in", "--cities", "Delhi", home=tmp_path)
    refused(done, "daily", "1440")


def test_broken_delta_log(folder, tmp_path):
    assert fetch(folder, tmp_path).returncode == 0
    log = next((tmp_path / "data/files/store/live_measurements/_delta_log").glob("*0.json"))
    whole = log.read_text()
    log.write_text(whole[:len(whole) // 2])
    edit(folder, lambda s: s.replace(",500,", ",501,", 1))
    refused(fetch(folder, tmp_path), "cannot be used", "restore")
    log.write_text(whole)
    assert fetch(folder, tmp_path).returncode == 0, "nothing was lost: with its log back, the store goes on"


def test_full_disk(folder, tmp_path):
    "A real small disk: what was stored stays, what did not fit is said."
    small = tmp_path / "small"
    small.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", small], capture_output=True).returncode == 0
    need(mounted, "a small disk needs the right to mount a tmpfs")
    try:
        assert fetch(folder, small).returncode == 0
        shutil.rmtree(small / "reports")
        (small / "filler").write_bytes(b"x" * (shutil.disk_usage(small).free - 60_000))
        big = write_city(tmp_path / "big", stations=("Wanliu",), days=60)
        refused(aqw("fetch", "--path", big, "--cities", "Beijing", home=small), "full")
        (small / "filler").unlink()
        shown = aqw("status", home=small)
        assert shown.returncode == 0 and "live_measurements" in shown.stdout, shown.stderr
    finally: subprocess.run(["umount", small])


def test_debug_shows_the_traceback(tmp_path):
    assert "Traceback" in aqw("drift", "Delhi", home=tmp_path, AQW_DEBUG="1").stderr
    refused(aqw("drift", "Delhi", home=tmp_path), "nobody has watched 'Delhi'", "aqw monitor")
