"""What a reading shows by itself: sentinels, impossible values, wrong moments."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "rules": ["flag_readings", "misdated", "usable"],
})
