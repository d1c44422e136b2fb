"""Settings and clock, errors, the columns of a reading and their units, cities and places."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "settings": ["addressable", "AqwError", "as_polars", "below", "check_kind", "check_mark", "check_readings",
                 "clock_note", "data_root", "id_column", "id_text", "IDS", "ids_as_text", "KINDS", "LAG_H",
                 "machine_error", "mark_root", "MOLAR_MASS", "molar_volume", "new_mark", "now", "open_root",
                 "parameter_name", "parse_mark", "path_name", "POLLUTANTS", "quoted", "READING", "reports_root",
                 "Settings", "source_lag", "tracking_uri", "TS", "typed_moment", "typed_path", "unit_factor",
                 "unit_name", "UNITS", "unprintable", "utc", "WEATHER"],
    "gazetteer": ["City", "city_at", "city_slug", "distance_km", "find_city", "near_cities", "plain_name",
                  "search_cities"],
    "methods": ["patch"],
    "words": ["first_command", "how_old", "kind_option", "load_command"],
})
