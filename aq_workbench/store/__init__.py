"""The feature store: versioned tables with two times, joins at a point in time, sync from the sources."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "places": ["Place", "storage_errors", "way_back"],
    "tables": ["open_delta"],
    "bitemporal": ["READINGS"],
    "feature_store": ["FeatureStore", "tidy_store"],
    "indices": ["city_indices", "CityIndices", "finished_days", "index_rows", "standard_shown_in"],
    "stored": ["cities_in", "city_country", "city_asof", "city_latest", "city_rows", "city_written", "JUDGED", "used_rows"],
    "sync": ["sync_city", "sync_live"],
})
