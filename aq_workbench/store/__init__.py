"""The feature store: versioned tables with two times, joins at a point in time, sync from the sources."""
import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "tables": ["storage_errors", "open_delta", "Place", "way_back"],
    "bitemporal": ["READINGS"],
    "groups": ["all_rows", "tags_of"],
    "feature_store": ["FeatureStore", "summary_of", "tidy_store"],
    "sync": ["city_asof", "city_latest", "city_rows", "city_written", "sync_city", "sync_live"],
})
