"A Feast repository over the two groups, with the duckdb offline store and the sqlite online store."
import warnings
from datetime import timedelta

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

warnings.filterwarnings("ignore")
CONFIG = """project: bench
provider: local
registry: registry.db
offline_store: {type: duckdb}
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
"""


def view(data, group, location):
    "A group as its documentation has it: the hour is the event time, the moment of arrival the created time, a value lives for a day."
    source = FileSource(name=f"{group}_file", path=str(data/f"{group}.parquet"), timestamp_field="event_ts", created_timestamp_column="available_ts")
    return FeatureView(name=group, entities=[location], ttl=timedelta(days=1), schema=[Field(name=f"{group}_{i}", dtype=Float64) for i in range(10)], source=source)


def repository(data):
    "The store with both groups applied, and the names of their features."
    home = data/"feast"
    home.mkdir(exist_ok=True)
    (home/"feature_store.yaml").write_text(CONFIG)
    store, location = FeatureStore(repo_path=str(home)), Entity(name="location", join_keys=["location_id"], value_type=ValueType.STRING)
    store.apply([location, *(view(data, group, location) for group in ("air", "weather"))])
    return store, [f"{group}:{group}_{i}" for group in ("air", "weather") for i in range(10)]
