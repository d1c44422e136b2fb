"""Air quality indices: the breakpoints of US EPA as data, and the category of a concentration."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "index": ["CATEGORIES", "COLOURS", "pm25_category"],
    "eight_hour": ["daily_max_8h", "eight_hour_means", "MDA8_RULES"],
})
