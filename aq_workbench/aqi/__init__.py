"""Air quality by the rule: indices of six authorities, NowCast, 8-hour means, limit values and annual statistics."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "standards": ["category_field", "country_family", "in_force", "ink_on", "known_standards", "SCORED_BY",
                  "Standard", "standard_by_id", "standard_of", "standards_table"],
    "index": ["hour_band", "pm25_category", "sub_index"],
    "nowcast": ["nowcast_of"],
    "eight_hour": ["daily_max_8h", "eight_hour_means", "MDA8_RULES"],
    "rows": ["add_aqi"],
    "means": ["BASES", "standard_offset"],
    "official": ["air_quality_index"],
    "limits": ["limit_families", "limit_family", "limit_standard", "limit_standards"],
    "annual": ["annual_statistics"],
})
