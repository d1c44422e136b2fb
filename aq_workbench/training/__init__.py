"""Train a city's models, promote them, issue forecasts and read them back."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "fit": ["flat_metrics", "training_frame"],
    "train": ["NOTHING_NEW", "train_city"],
    "repeat": ["repeat_training"],
    "forecast": ["forecast_city", "ISSUED", "issued_cities", "issued_forecasts", "newest_forecasts", "newest_issue",
                 "NotIssued", "recent_outcomes", "serving_sensors", "serving_version"],
})
