"""Measurements in: OpenAQ, simulated cities, files of many layouts."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "openaq": ["skew_note"],
    "containers": ["tables_in"],
    "files": ["Batch", "read_yaml", "Words"],
    "clocks": ["minutes_words"],
    "infer": ["infer_mapping", "Inferred"],
    "contents": ["flow", "merged", "Question"],
    "reading": ["answer_lines", "data_files", "detect_format", "is_complete", "read_answer", "read_file",
                "read_folder", "without_city"],
    "live": ["city_or_none", "LiveDataFetcher", "NoReadings"],
    "key": ["check_key"],
})
