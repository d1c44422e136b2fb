"A notebook workbench for urban air quality. Names load when they are first used, so the import is cheap."
__version__ = "0.1.0"

import lazy_loader

from .core.moved import keep_old_paths

keep_old_paths()
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "core": ["AqwError", "Settings"],
    "aqi": ["add_aqi", "air_quality_index", "nowcast_of"],
    "fetcher": ["LiveDataFetcher"],
    "store": ["FeatureStore"],
    "registry": ["ModelRegistry", "register_all_models"],
    "drift": ["DataDriftDetector"],
    "monitor": ["ModelPerformanceMonitor", "RetrainPolicy"],
})
