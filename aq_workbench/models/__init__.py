"""Features, the PM2.5 forecaster, the AQI classifier, and their scores."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "features": ["add_targets", "build_features", "ceil_hour", "HORIZONS", "known_at", "known_hours", "LOOKBACK_H",
                 "measured_hours", "without_flagged"],
    "examples": ["made_frame", "made_readings"],
    "learner": ["MIN_DAYS", "MIN_HOURS", "TooLittle"],
    "forecaster": ["Forecaster"],
    "classifier": ["AqiClassifier", "CATEGORY_MEANING"],
    "loading": ["_load_pyfunc", "load_bundle"],
    "evaluate": ["default_split", "evaluate_classifier", "evaluate_forecaster", "score", "split",
                 "unflagged_score"],
})
