"""The page that Voila serves."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "page": ["DRIFT_COLUMNS", "drift_texts", "MonitoringPage", "page_command"],
})
