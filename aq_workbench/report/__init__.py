"""The paper, its tables and figures, and rows for other programs."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "paper": ["latex_missing", "write_report"],
    "exports": ["checked_query", "export_rows", "export_words", "origins"],
})
