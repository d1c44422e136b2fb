"""Every estimator of scikit-learn and of LightGBM's is written without pickle and read back equal; what else is refused by name."""
import copy
import os
import re
import warnings

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401 - makes two more estimators
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor, kernels
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from threadpoolctl import threadpool_limits

from aq_workbench.core import AqwError, Broken, data_root, Settings, Unusable
from aq_workbench.registry.payload import load_skops, skops_bytes
from aq_workbench.registry import ModelRegistry

RNG = np.random.RandomState(0)
X = RNG.rand(30, 4)
Y = X[:, 0] + RNG.rand(30) * .2
CLASSES = (Y > np.median(Y)).astype(int)
TWO = np.c_[CLASSES, 1 - CLASSES]
TABLE = pd.DataFrame(X, columns=list("abcd")).assign(k=pd.Categorical(np.where(X[:, 1] > .5, "u", "v")))
TEXTS, DICTS = ["rain and wind", "wind and dust"], [{"a": 1}, {"b": 2}]
DATA = [(X, CLASSES), (X, Y), (X[:, :1], Y), (X,), (X, TWO), (X, np.c_[Y, Y]), (TWO[:, :1],), (CLASSES,), (X @ X.T,), (X[:, :3],)]
OWN = {"ClassifierChain": (X, TWO), "RegressorChain": (X, np.c_[Y, Y]), "PatchExtractor": (RNG.rand(2, 12, 12),), "DictVectorizer": (DICTS,), "FeatureHasher": (DICTS,),
       **dict.fromkeys(("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"), (TEXTS,))}
SLOW = set("CalibratedClassifierCV DictionaryLearning LogisticRegressionCV MeanShift MiniBatchNMF RFECV SequentialFeatureSelector TSNE TunedThresholdClassifierCV".split())
REFUSED = {"Birch": "cannot be written without pickle"}   # its tree points back at itself: skops does not write it
ASKED = ("predict", "predict_proba", "transform", "decision_function")
RANDOM = {("DummyClassifier", "predict_proba"), ("DummyClassifier", "predict")}   # drawn anew at each call


def made(name, kind):
    "An estimator with small settings and the data that it could be fitted to."
    model = FrozenEstimator(Ridge().fit(X, Y)) if kind is FrozenEstimator else next(iter(_construct_instances(kind)))
    for data in [OWN[name]] if name in OWN else DATA:
        try: return model.fit(*data), data[0]
        except (ValueError, TypeError, AttributeError): pass
    raise AssertionError(f"{name} fits none of the data")


def dense(answer):
    if isinstance(answer, (list, tuple)): return [dense(part) for part in answer]
    return answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)


def same(a, b):
    "Bit for bit."
    if isinstance(a, list): return len(a) == len(b) and all(map(same, a, b))
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def differences(model, data, path):
    "What an estimator says otherwise after it was written and read: equal to itself, or to a copy of it in memory."
    path.write_bytes(skops_bytes(model))
    again, twin = load_skops(path), copy.deepcopy(model)
    asked = [m for m in ASKED if hasattr(model, m) and (type(model).__name__, m) not in RANDOM]
    found = [] if not hasattr(model, "get_params") or told(again) == told(model) else ["get_params"]
    for method in asked:
        answer = dense(getattr(again, method)(data))
        if not any(same(answer, dense(getattr(one, method)(data))) for one in (model, twin)): found.append(method)
    return found


def told(model): return re.sub(" at 0x[0-9a-f]+", "", str(sorted((k, str(v)) for k, v in model.get_params().items())))


def kept(names, tmp_path):
    "How each of some estimators fares: what differs, or why it is refused."
    found = {}
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for name, kind in all_estimators():
            if name not in names: continue
            try: found[name] = differences(*made(name, kind), tmp_path / "model.skops")
            except AqwError as e: found[name] = e.what
    return found


def test_every_estimator_is_kept(tmp_path):
    names = {name for name, _ in all_estimators()} - SLOW
    found = kept(names, tmp_path)
    assert set(found) == names and len(names) > 190
    refused = {name: what for name, what in found.items() if what}
    assert set(refused) == set(REFUSED), refused
    for name, what in REFUSED.items(): assert what in refused[name]
    print(f"{len(found) - len(refused)} of {len(found)} estimators are kept; refused: {refused}")


@pytest.mark.soak
def test_the_slow_ones_are_kept_too(tmp_path): assert kept(SLOW, tmp_path) == {name: [] for name in SLOW}


SETTINGS = {
    "forest on a table": (make_pipeline(ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("k", OneHotEncoder(), ["k"]), ("s", StandardScaler(), make_column_selector("c|d"))]),
                                        RandomForestRegressor(3)), TABLE, Y),
    "boosting with categories": (HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=3, early_stopping=True), TABLE, Y),
    "kernels": (GaussianProcessRegressor(kernels.ConstantKernel() * kernels.Matern() + kernels.WhiteKernel() + kernels.DotProduct()**2, optimizer=None), X, Y),
    "ball tree": (KNeighborsRegressor(algorithm="ball_tree", metric="haversine", weights="distance"), X[:, :2], Y),
    "isotonic": (CalibratedClassifierCV(RandomForestClassifier(3), method="isotonic", cv=2), X, CLASSES),
    "search": (GridSearchCV(Ridge(), {"alpha": [.1, 1]}, scoring=make_scorer(mean_absolute_error, greater_is_better=False), cv=TimeSeriesSplit(2)), X, Y),
    "logarithm": (TransformedTargetRegressor(make_pipeline(FunctionTransformer(np.log1p), Ridge()), func=np.log1p, inverse_func=np.expm1), X, Y),
    "regressor": (lightgbm.LGBMRegressor(n_estimators=4, min_child_samples=2, verbose=-1, boosting_type="dart", objective="quantile"), TABLE, Y),
    "classifier": (make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=2, verbose=-1)), X, np.where(CLASSES, "high", "low")),
    "not fitted": (LogisticRegression(), X, None),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.filterwarnings("ignore")
def test_their_settings_are_kept(name, tmp_path):
    model, data, target = SETTINGS[name]
    if target is None: return skops_bytes(model) and None
    assert differences(model.fit(data, target), data, tmp_path / "model.skops") == []


def test_rankers_and_boosters_are_kept(tmp_path):
    ranker = lightgbm.LGBMRanker(n_estimators=3, min_child_samples=2, verbose=-1).fit(X, CLASSES, group=[15, 15])
    assert differences(ranker, X, tmp_path / "ranker.skops") == []
    booster = lightgbm.train({"verbose": -1, "min_data_in_leaf": 2}, lightgbm.Dataset(X, Y), 3)
    assert differences(booster, X, tmp_path / "booster.skops") == []


class Mine(Ridge): "A class of one's own."


@pytest.mark.parametrize("model, named", [(Mine(), "Mine"), (FunctionTransformer(lambda x: x), "<lambda>"), (FunctionTransformer(os.system), "system"),
                                          (make_pipeline(FunctionTransformer(eval), Ridge()), "builtins.eval"), (KNeighborsRegressor(metric=os.getenv), "os.getenv")])
def test_what_is_from_elsewhere_is_refused_before_anything_is_registered(model, named, tmp_path):
    registry = ModelRegistry(Settings(home=tmp_path))
    with pytest.raises(Unusable, match="holds what is not kept: ") as error: registry.log_model(model, "theirs")
    assert named in error.value.what
    assert not data_root(registry.settings).exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    "A registry with a forest, and the forest."
    settings, forest = Settings(home=tmp_path_factory.mktemp("home")), RandomForestRegressor(3, random_state=0).fit(X, Y)
    ModelRegistry(settings).log_model(model=forest, model_name="forest", metrics={"rmse": 1.5})
    return settings, forest


def test_a_forest_goes_through_the_registry(home):
    settings, forest = home
    again = ModelRegistry(settings).load_model("forest", version=np.int64(1))
    assert np.array_equal(again.predict(X), forest.predict(X))
    assert again.get_params() == forest.get_params()


def test_a_file_that_was_changed_on_the_disk_is_not_loaded(home):
    settings, _ = home
    registry, file = ModelRegistry(settings), next(data_root(settings).rglob("model.skops"))
    whole = file.read_bytes()
    file.write_bytes(skops_bytes(Ridge().fit(X, Y)))
    with pytest.raises(Broken, match="have changed since they were registered"): registry.load_model("forest")
    file.write_bytes(whole)
    assert registry.load_model("forest").n_estimators == 3


def test_without_a_recorded_digest_no_tree_is_loaded(home):
    settings, _ = home
    registry = ModelRegistry(settings)
    recorded = registry.versions("forest")[0]["tags"]["digest"]
    registry.client.delete_model_version_tag("forest", "1", "digest")
    try:
        with pytest.raises(Unusable, match=r"without a recorded digest: .*sklearn\.tree\._tree\.Tree"): registry.load_model("forest")
    finally: registry.client.set_model_version_tag("forest", "1", "digest", recorded)
