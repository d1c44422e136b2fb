"""Has the distribution of a feature changed? Tests of two samples and what they can see."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "detector": ["DataDriftDetector", "drift_rows"],
})
