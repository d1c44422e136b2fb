"After a rollback everybody names the same newest forecast: the service, the page, the terminal, the export, the list of cities."
import io
from datetime import timedelta

import polars as pl
import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from sklearn.linear_model import LinearRegression

from aq_workbench.api import create_app
from aq_workbench.commands.cities import stored_spans
from aq_workbench.core import check_readings, Settings, utc
from aq_workbench.dashboard import MonitoringPage
from aq_workbench.report import checked_query
from aq_workbench.report.exports import select_rows
from aq_workbench.commands.fresh import is_due
from aq_workbench.registry import ModelRegistry
from aq_workbench.store import FeatureStore
from aq_workbench.commands.panel import forecast_panel, load_outlook

NAME, NOON, NOW = "pm25_regressor-delhi", utc("2026-03-10T12:00Z"), "2026-03-10T13:00Z"


def issue(version, at, mean):
    "Forecasts of two stations at one hour."
    return pl.DataFrame([{"location_id": s, "horizon_h": h, "target_ts": at + timedelta(hours=h), "mean": mean + h} for s in ("1", "2") for h in (1, 6, 24)]).with_columns(
        median="mean", lo80=pl.col("mean") - 5, hi80=pl.col("mean") + 5, lo90=pl.col("mean") - 9, hi90=pl.col("mean") + 9, category=pl.lit("Moderate"), p_category=pl.lit(.6),
        city=pl.lit("Delhi"), model=pl.lit(NAME), version=pl.lit(version), parameter=pl.lit("pm25"), issued_at=pl.lit(at).cast(pl.Datetime("us", "UTC")), event_ts="target_ts")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    "Version 1 issued at 10:00 and 11:00, version 2, which replaced it, at 11:00 and 12:00; then version 1 was put back."
    settings = Settings(home=tmp_path_factory.mktemp("home"), source="files")
    store, registry = FeatureStore(settings), ModelRegistry(settings)
    ts = pl.datetime_range(NOON - timedelta(hours=71), NOON, "1h", eager=True, time_unit="us")
    store.write(check_readings(pl.concat(pl.DataFrame({"event_ts": ts, "value": 50.}).with_columns(
        city=pl.lit("Delhi"), location_id=pl.lit(s), parameter=pl.lit("pm25"), source=pl.lit("file:made")) for s in ("1", "2"))))
    for version, hours_back, mean in ((1, 2, 20.), (1, 1, 30.), (2, 1, 60.), (2, 0, 70.)): store.write(issue(version, NOON - timedelta(hours=hours_back), mean), "forecasts")
    for version in (1, 2):
        registry.log_model(model=LinearRegression().fit([[0.], [1.]], [0., 1.]), model_name=NAME)
        registry.promote_model(NAME, version=version, stage="Production")
    registry.promote_model(NAME, version=1, stage="Production")
    return settings


WANTED = (1, NOON - timedelta(hours=1), [31., 36., 54.])


def test_the_service(settings, monkeypatch):
    monkeypatch.setenv("AQW_NOW", NOW)
    told = TestClient(create_app(settings)).get("/v1/forecast/delhi").json()["forecasts"]
    assert {(f["version"], utc(f["issued_at"])) for f in told} == {WANTED[:2]}
    assert [f["mean"] for f in told if f["location_id"] == "1"] == WANTED[2]


def test_the_terminal(settings):
    outlook = load_outlook("delhi", settings=settings, at=utc(NOW))
    mine = outlook.forecasts.filter(location_id="1")
    assert (mine["version"].unique().item(), outlook.issued, mine["mean"].to_list()) == WANTED
    console = Console(file=io.StringIO(), width=80)
    console.print(forecast_panel(outlook))
    assert f"by {NAME} version 1" in console.file.getvalue()


def test_the_page(settings):
    page = MonitoringPage(settings, at=utc(NOW))
    header = page.header.children[0].value
    assert f"{NAME} version 1" in header and "2026-03-10 11:00 UTC" in header
    shown = page.data.joined.filter(pl.col("location_id") == "1", pl.col("issued_at") == WANTED[1]).sort("horizon_h")
    assert shown["mean"].to_list() == WANTED[2]
    assert page.data.joined["version"].unique().to_list() == [1], "one version in every panel"


def test_the_export(settings):
    rows = select_rows(checked_query("forecasts", asof=NOW), settings=settings).frame
    mine = rows.filter(pl.col("newest"), location_id="1")
    assert (mine["version"].unique().item(), mine["issued_at"].unique().item(), mine["mean"].to_list()) == WANTED
    assert rows.height == 24, "the others are there too"


def test_the_list_of_cities_and_what_is_due(settings, monkeypatch):
    monkeypatch.setenv("AQW_NOW", NOW)
    assert stored_spans(settings)[0]["issued"] == WANTED[1]
    assert is_due("Delhi", settings=settings, issue=NOON), "version 1 has issued nothing at noon"
    assert not is_due("Delhi", settings=settings, issue=WANTED[1])
