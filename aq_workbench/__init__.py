"A notebook workbench for urban air quality. Names load when they are first used, so the import is cheap."
__version__ = "0.1.0"

from importlib import import_module

_FACE = {
    "LiveDataFetcher": "fetcher",
    "FeatureStore": "store", "ModelRegistry": "registry", "register_all_models": "registry",
    "DataDriftDetector": "drift", "ModelPerformanceMonitor": "monitor", "RetrainPolicy": "policy",
    "Settings": "core", "AqwError": "core",
}
__all__ = sorted(_FACE)


def __getattr__(name):
    if name in _FACE: return getattr(import_module(f"aq_workbench.{_FACE[name]}"), name)
    raise AttributeError(f"module 'aq_workbench' has no attribute {name!r}")


def __dir__(): return [*globals(), *__all__]
