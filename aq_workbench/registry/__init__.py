"""Versions of models with stages, in MLflow's database."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "mlflow": ["check_sqlite", "knock", "remedy", "shown_uri", "sqlite_file", "SWITCHES"],
    "payload": ["digest", "installed_version"],
    "names": ["registered_name", "slugs_with"],
    "stages": ["with_scores"],
    "model_registry": ["ModelRegistry", "register_all_models"],
})
