"""Charts: the house's theme and one function per question."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "theme": ["plot_drift", "plot_error", "plot_forecast", "plot_skill", "save_chart"],
})
