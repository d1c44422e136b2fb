"""How forecasts did, whether to retrain, and the verdicts on record."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "outcomes": ["ModelPerformanceMonitor", "performance"],
    "policy": ["RetrainPolicy"],
    "verdicts": ["city_hours", "daily_error", "last_verdict", "watch_city"],
})
