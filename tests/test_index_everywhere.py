"The terminal, the page, the service and the export say one index of a city, by one standard, each under its own name."
import io
import json
from datetime import timedelta

import polars as pl
import pytest
from conftest import aqw
from fastapi.testclient import TestClient
from rich.console import Console

from aq_workbench import add_aqi, nowcast_of
from aq_workbench.api import create_app
from aq_workbench.commands.panel import forecast_panel, load_outlook
from aq_workbench.core import check_readings, Settings, utc
from aq_workbench.dashboard import MonitoringPage
from aq_workbench.store import FeatureStore

END, NOW = utc("2026-03-10T12:30Z"), "2026-03-10T13:00Z"
P = [.1, .6, .2, .05, .03, .02]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "Five days of one Delhi station; the last hour of PM2.5 is -0.4. Its forecasts carry India's categories."
    home = tmp_path_factory.mktemp("home")
    store = FeatureStore(Settings(home=home, source="files"))
    ts = pl.datetime_range(END - timedelta(hours=119), END, "1h", eager=True, time_unit="us")
    level = {"pm25": 70., "pm10": 120., "no2": 50., "o3": 40.}
    rows = pl.concat(pl.DataFrame({"event_ts": ts, "value": [v + (i*7) % 11 for i in range(len(ts))]}).with_columns(parameter=pl.lit(p)) for p, v in level.items())
    last = (pl.col("event_ts") == END) & (pl.col("parameter") == "pm25")
    store.write(check_readings(rows.with_columns(value=pl.when(last).then(-.4).otherwise("value"), city=pl.lit("Delhi"), country=pl.lit("IN"), tz=pl.lit("Asia/Kolkata"),
                                                 location_id=pl.lit("1"), location=pl.lit("Ridge"), source=pl.lit("file:made"), licence=pl.lit("CC0 1.0"))))
    forecasts = pl.DataFrame([{"horizon_h": h, "target_ts": END + timedelta(hours=h), "mean": 45. + h} for h in (1, 6, 24)]).with_columns(
        median="mean", lo80=pl.lit(30.), hi80=pl.lit(60.), lo90=pl.lit(20.), hi90=pl.lit(80.), standard=pl.lit("in_cpcb_2014"), category=pl.lit("Satisfactory"), p=pl.lit(P),
        p_category=pl.lit(.6), city=pl.lit("Delhi"), model=pl.lit("pm25_regressor-delhi"), version=pl.lit(1), parameter=pl.lit("pm25"), location_id=pl.lit("1"),
        issued_at=pl.lit(END).cast(pl.Datetime("us", "UTC")), event_ts="target_ts")
    store.write(forecasts, "forecasts")
    return home


@pytest.fixture
def settings(home, monkeypatch):
    monkeypatch.setenv("AQW_NOW", NOW)
    return Settings(home=home, source="files")


def test_an_hour_a_little_below_zero_is_good(settings):
    console = Console(file=io.StringIO(), width=80)
    console.print(forecast_panel(load_outlook("delhi", settings=settings, at=utc(NOW))))
    text = console.file.getvalue()
    last = next(line for line in text.splitlines() if line.startswith("last"))
    assert " Good " in last and "-0.4" in last, last
    assert "India CPCB category" in text and "US EPA" not in text
    assert "no index" in text


def test_the_service_and_the_command_say_the_same(home, settings):
    told = TestClient(create_app(settings)).get("/v1/aqi/delhi").json()
    assert told["now"]["standard"] == "in_cpcb_2014" and told["now"]["label"] == "AQI of the last 24 hours"
    assert told["day"]["label"] == "AQI of a day" and told["day"]["at"] == "2026-03-09"
    by_day = pl.read_csv(io.StringIO(aqw("aqi", "Delhi", "--format", "csv", "--days", "2", home=home).stdout))
    assert by_day.filter(day="2026-03-09")["index"].to_list() == [told["day"]["index"]]
    single = json.loads(aqw("aqi", "Delhi", "--format", "json", "--basis", "hour", home=home).stdout)[-1]
    assert single["index"] is None and single["label"] == "category of one hour (no index)"


def test_another_standard_by_choice(settings):
    ask = TestClient(create_app(settings))
    american = ask.get("/v1/aqi/delhi?standard=us").json()["day"]
    assert american["standard"] == "us_epa_2024" and american["category"] == "Unhealthy"
    wrong = ask.get("/v1/aqi/delhi?standard=mars")
    assert wrong.status_code == 422 and "no AQI standard" in wrong.json()["error"]["what"]


def test_the_page_shows_the_same_index(settings):
    told = TestClient(create_app(settings)).get("/v1/aqi/delhi").json()["now"]
    header = MonitoringPage(settings, at=utc(NOW)).header.children[0].value
    assert f"{told['index']:.0f} {told['category']}" in header and f"background:{told['colour']}" in header
    assert "India CPCB, AQI of the last 24 hours" in header


def test_a_forecast_carries_its_standard_and_probabilities(home, settings, tmp_path):
    first = TestClient(create_app(settings)).get("/v1/forecast/delhi").json()["forecasts"][0]
    assert first["standard"] == "in_cpcb_2014" and first["p"] == P
    aqw("export", "forecasts", "--city", "Delhi", "--to", str(tmp_path / "f.csv"), home=home)
    rows = pl.read_csv(tmp_path / "f.csv")
    assert rows["standard"].unique().to_list() == ["in_cpcb_2014"]
    assert [float(x) for x in rows["p"][0].split()] == P


def test_the_calls_of_the_face():
    frame = pl.DataFrame({"pm25": [9.05, 60.]})
    assert add_aqi(frame, "us_epa_2024", unit="µg/m³", hours=24)["aqi"].to_list() == [50, 154]
    assert nowcast_of([10.] * 12)[-1] == 10
