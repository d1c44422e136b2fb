"""Air quality indices and limits: the breakpoints of US EPA as data, 8-hour means, limit values and annual statistics."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "index": ["CATEGORIES", "COLOURS", "pm25_category"],
    "eight_hour": ["daily_max_8h", "eight_hour_means", "MDA8_RULES"],
    "limits": ["families", "family_of", "named_standard", "standards"],
    "annual": ["annual_statistics"],
})
