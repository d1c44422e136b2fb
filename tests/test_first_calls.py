"The calls of the interface table as a newcomer types them: a fresh home, no key, nothing set."
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from aq_workbench import DataDriftDetector, FeatureStore, LiveDataFetcher, ModelPerformanceMonitor, ModelRegistry, Settings

MEASUREMENT = ["city", "country", "location_id", "location", "parameter", "value", "unit", "event_ts", "lat", "lon", "source"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A fresh home in which nothing is set."
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AQW_SOURCE", "OPENAQ_API_KEY", "OPENAQ_URL", "MLFLOW_TRACKING_URI", "AQW_STORE"): patch.delenv(name, raising=False)
        patch.setenv("AQW_HOME", str(folder := tmp_path_factory.mktemp("first")))
        yield folder


@pytest.fixture(scope="module")
def fetched(home):
    "What the fetcher gives, and what it says on the way."
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        patch.setattr(socket.socket, "bind", lambda *_: pytest.fail("a port was opened"))
        fetcher, threads = LiveDataFetcher(), set(threading.enumerate())
        latest = fetcher.fetch_latest_measurements("Delhi", limit=100)
        series = fetcher.fetch_time_series("Beijing", parameter="pm25", days=7)
        several = fetcher.get_multiple_cities(["Delhi", "Beijing", "London"])
        assert not set(threading.enumerate()) - threads, "nothing is left running"
    return latest, series, several, said


@pytest.fixture(scope="module")
def store(fetched):
    "A store into which the newest readings of one city were saved without a group, those of three with it."
    store = FeatureStore()
    assert store.save_features(fetched[0]) == 0
    assert store.save_features(fetched[2], feature_group="live_measurements") == 1
    return store


def test_latest_measurements(fetched):
    latest = fetched[0]
    assert list(latest.columns[:11]) == MEASUREMENT
    assert set(latest["city"]) == {"Delhi"} and set(latest["country"]) == {"IN"} and set(latest["source"]) == {"sandbox"}
    assert {"pm25", "no2", "o3"} <= set(latest["parameter"])
    assert latest["event_ts"].is_monotonic_decreasing and str(latest["event_ts"].dt.tz) == "UTC"
    assert 0 < len(latest) <= 100 and not latest.duplicated(["location_id", "parameter"]).any()


def test_time_series(fetched):
    series = fetched[1]
    assert list(series.columns[:11]) == MEASUREMENT
    assert set(series["city"]) == {"Beijing"} and set(series["parameter"]) == {"pm25"} and set(series["unit"]) == {"µg/m³"}
    hours = series.groupby("location_id")["event_ts"]
    assert (hours.diff().dropna() >= pd.Timedelta(hours=1)).all()
    assert pd.Timedelta(days=6) < series["event_ts"].max() - series["event_ts"].min() < pd.Timedelta(days=7)


def test_several_cities(fetched):
    latest, _, several, _ = fetched
    assert list(several.columns[:11]) == MEASUREMENT
    assert list(several["city"].unique()) == ["Delhi", "Beijing", "London"] and several.attrs["failed"] == {}
    assert set(several["location_id"]) >= set(latest["location_id"])


def test_the_source_is_said_once(fetched):
    said = fetched[3]
    assert said == ["Source: SIMULATED cities (no OPENAQ_API_KEY is set; a free key from explore.openaq.org brings live data)."]


def test_the_store_takes_what_the_fetcher_gives(fetched, store, home):
    "All doors look at one kind of data, which is said by the root that they write into."
    assert Settings().source == store.settings.source == ModelRegistry().settings.source == "sandbox"
    assert [p.name for p in (home / "data").iterdir()] == ["sandbox"]
    loaded = store.load_features()
    assert len(loaded) == len(fetched[2]) and set(loaded["source"]) == {"sandbox"}
    both = loaded.merge(fetched[2], on=["sensor_id", "parameter", "event_ts"], suffixes=("", "_fetched"))
    assert len(both) == len(loaded) and (both["value"] == both["value_fetched"]).all()


def test_latest_and_earlier_features(fetched, store):
    loaded = store.load_features()
    pd.testing.assert_frame_equal(store.get_latest_features("live_measurements", n=10), loaded.tail(10).reset_index(drop=True))
    pd.testing.assert_frame_equal(store.get_latest_features(), loaded.tail(100).reset_index(drop=True))
    assert len(store.load_features("live_measurements", version=0)) == len(fetched[0])
    assert store.load_features("live_measurements", asof="2015-01-01").empty


@pytest.fixture(scope="module")
def forests(home):
    "Two random forests, logged one after the other, the second promoted."
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = np.where(x[:, 0] > .5, "Unhealthy", np.where(x[:, 1] > 0, "Moderate", "Good"))
    models = [RandomForestClassifier(n_estimators=n, random_state=0).fit(x, y) for n in (2, 5)]
    registry = ModelRegistry()
    for n, model in zip((2, 5), models):
        registry.log_model(model=model, model_name="aqi_classifier", metrics={"accuracy": model.score(x, y)}, params={"n_estimators": n}, tags={"by": "a newcomer"})
    registry.promote_model("aqi_classifier", version=1, stage="Production")
    return registry, models, x, y


def test_models_come_back_equal(forests):
    registry, (first, second), x, _ = forests
    assert (registry.load_model("aqi_classifier").predict_proba(x) == first.predict_proba(x)).all(), "Production, not the newest"
    assert (registry.load_model("aqi_classifier", version=2).predict_proba(x) == second.predict_proba(x)).all()


def test_a_promotion_moves_the_stage(forests):
    registry, (first, second), x, _ = forests
    registry.promote_model("aqi_classifier", version=2, stage="Production")
    assert (registry.load_model("aqi_classifier").predict_proba(x) == second.predict_proba(x)).all()
    assert [(v["version"], v["stage"]) for v in registry.versions("aqi_classifier")] == [(2, "Production"), (1, "Archived")]
    registry.promote_model("aqi_classifier", version=1, stage="Production")


def test_models_are_compared(forests):
    registry, models, x, y = forests
    table = registry.compare_models("aqi_classifier", limit=5)
    assert table["version"].tolist() == [2, 1] and table["n_estimators"].tolist() == ["5", "2"]
    assert table["accuracy"].tolist() == [m.score(x, y) for m in reversed(models)]


def frames():
    "A training sample, and a month in which particles have doubled."
    rng = np.random.default_rng(1)
    def made(n, level): return pd.DataFrame({"PM2.5": level * rng.lognormal(3, .5, n), "wind": rng.gamma(2, 1, n), "season": rng.choice(["dry", "wet"], n)})
    return made(2000, 1), made(500, 2)


def test_drift_in_both_spellings(home):
    training_df, production_df = frames()
    report = DataDriftDetector(training_df).detect_drift(production_df, ["PM2.5", "wind"])
    assert report["summary"].items() >= {"overall_drift": True, "n_features": 2, "n_drifted": 1, "drift_percentage": 50., "alarm": None}.items()
    assert report["drifted_features"] == ["PM2.5"]
    assert set(report["features"]["PM2.5"]) >= {"test", "statistic", "p_value", "drift", "effect"}
    other = DataDriftDetector(reference_data=training_df, threshold=.05).detect_drift(current_data=production_df, numeric_features=["PM2.5", "wind"], categorical_features=["season"])
    assert other["features"]["PM2.5"]["statistic"] == report["features"]["PM2.5"]["statistic"]
    assert other["features"]["season"]["test"] == "chi2" and other["summary"]["n_features"] == 3


def test_a_drift_report_and_its_statistics(home):
    training_df, production_df = frames()
    detector = DataDriftDetector(training_df)
    report = detector.detect_drift(production_df, ["PM2.5", "wind"])
    path = detector.save_report(report)
    assert Path(path).is_relative_to(home) and json.loads(Path(path).read_text(encoding="utf-8")) == report
    table = detector.calculate_statistics_drift(production_df, numeric_features=["PM2.5", "wind"]).set_index("feature")
    assert table.loc["PM2.5", "mean_reference"] == pytest.approx(training_df["PM2.5"].mean())
    assert table.loc["PM2.5", "median_current"] == pytest.approx(production_df["PM2.5"].median())
    assert table.loc["wind", "mean_difference"] == pytest.approx(production_df["wind"].mean() - training_df["wind"].mean())
    assert table.loc["PM2.5", "mean_change_percent"] == pytest.approx(100 * (production_df["PM2.5"].mean() / training_df["PM2.5"].mean() - 1))


def test_predictions_are_logged_scored_and_saved(home):
    monitor = ModelPerformanceMonitor()
    monitor.log_prediction(40., 44.)
    monitor.log_prediction(prediction=45.3, actual=47.3, metadata={"city": "Delhi", "hour": 14})
    scores = monitor.calculate_metrics(window_size=100)
    assert scores["n"] == 2 and scores["mae"] == pytest.approx(3) and scores["rmse"] == pytest.approx(np.sqrt(10)) and scores["bias"] == pytest.approx(-3)
    assert monitor.calculate_metrics(window_size=1)["mae"] == pytest.approx(2)
    path = monitor.save_logs()
    assert Path(path).is_relative_to(home)
    last = json.loads(Path(path).read_text(encoding="utf-8").splitlines()[-1])
    assert (last["prediction"], last["actual"], last["metadata"]) == (45.3, 47.3, {"city": "Delhi", "hour": 14})
