"""`aqw`: what is typed in a terminal."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "cli": ["main"],
})
