"""flight_delay with hourly partitions: the same sources, views, entities and labels."""

from datetime import timedelta

from include.core.spec import ModelSpec
from include.models.flight_delay.spec import SPEC as DAILY

HERE = __name__.removesuffix(".spec")

SPEC = ModelSpec(
    **{
        **dict(DAILY),
        # The planes' registry comes once a day, with its first hour; at night no flight is due.
        "data": {**DAILY.data.model_dump(exclude={"schedule"}), "every": timedelta(hours=1), "empty_days": True, "last": None},
        "features": DAILY.features.model_copy(update={"build": f"{HERE}.features:views"}),
        "expectations": f"{HERE}.expectations:EXPECTATIONS",
    }
)
