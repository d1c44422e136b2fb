"""Simulated cities whose truth is known, served over OpenAQ's own protocol."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "world": ["KNOWN", "SANDBOX_CITIES"],
    "server": ["listening", "run_sandbox", "sandbox_client", "serving"],
})
