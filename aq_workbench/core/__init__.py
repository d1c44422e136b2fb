"""Errors, paths, settings and clock, the columns of a reading and their units, cities and places."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "errors": ["AqwError", "Broken", "Busy", "error_names", "machine_error", "Missing", "quoted", "reworded", "Unreachable",
               "Unusable"],
    "methods": ["patch"],
    "paths": ["addressable", "below", "path_name", "typed_path", "unprintable"],
    "settings": ["check_mark", "clock_note", "data_root", "KINDS", "mark_root", "new_mark", "newest_kind", "now",
                 "open_root", "parse_mark", "reports_root", "Settings", "tracking_uri", "typed_moment", "utc"],
    "readings": ["as_polars", "check_kind", "check_readings", "id_column", "id_text", "IDS", "ids_as_text", "LAG_H",
                 "MISSING_CODES", "MOLAR_MASS", "molar_volume", "no_measurement", "parameter_name", "POLLUTANTS", "RANGES",
                 "READING", "SENTINEL", "source_lag", "SOURCE_LICENCE", "TS", "unit_factor", "unit_name", "unit_shift", "UNITS", "WEATHER"],
    "gazetteer": ["City", "city_at", "city_slug", "distance_km", "find_city", "names_city", "near_cities", "plain_name",
                  "search_cities", "spelled_like"],
    "words": ["first_command", "how_old", "kind_option", "load_command"],
})
