"""Measurements in: OpenAQ, simulated cities, files of many layouts."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "openaq": ["skew_note"],
    "files": ["Batch", "Words"],
    "infer": ["infer_mapping", "Inferred"],
    "contents": ["flow", "Question"],
    "reading": ["answer_lines", "data_files", "detect_format", "read_file", "read_folder"],
    "live": ["city_or_none", "LiveDataFetcher", "NoReadings"],
    "key": ["check_key"],
})
