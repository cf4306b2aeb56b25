"""Will this flight arrive 15 minutes late or more, asked two hours before its scheduled departure?"""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Retraining, Rollout, Training, View

HERE = "include.models.flight_delay"


def rates(kind: str) -> tuple[Feature, ...]:
    """Share of flights that landed 15 minutes late or more, and the mean delay, over two windows."""
    return tuple(Feature(name=f"{kind}_{what}_{hours}h") for hours in (6, 168) for what in ("late_rate", "mean_delay"))


SPEC = ModelSpec(
    name="flight_delay",
    owner="flight-operations",
    description="Will a flight out of New York arrive 15 minutes late or more, asked two hours before departure?",
    label="late",
    data=Data(
        sources=("flights", "landings", "weather", "planes"),
        first=date(2013, 1, 1),
        last=date(2013, 12, 31),
        lookback_days=8,
    ),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(
                name="weather",
                keys=("origin",),
                features=tuple(
                    Feature(name=n) for n in ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")
                ),
                ttl=timedelta(hours=12),
            ),
            View(name="carrier_delays", keys=("carrier",), features=rates("carrier"), ttl=timedelta(days=7)),
            View(name="route_delays", keys=("origin", "dest"), features=rates("route"), ttl=timedelta(days=7)),
            View(name="origin_delays", keys=("origin",), features=rates("origin"), ttl=timedelta(days=7)),
            View(name="rotation", keys=("tailnum",), features=(Feature(name="last_arr_delay"),), ttl=timedelta(hours=12)),
            View(
                name="plane",
                keys=("tailnum",),
                features=(Feature(name="plane_year"), Feature(name="plane_seats"), Feature(name="engine", dtype="category")),
            ),
        ),
        request=(
            Feature(name="carrier_code", dtype="category"),
            Feature(name="origin_code", dtype="category"),
            Feature(name="dest_code", dtype="category"),
            Feature(name="hour", dtype="int"),
            Feature(name="weekday", dtype="int"),
            Feature(name="distance"),
            Feature(name="scheduled_minutes"),
        ),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        window_days=180,
        holdout_days=28,
        params={"epochs": 6, "batch_size": 1024, "learning_rate": 2e-3, "hidden": 96, "dropout": 0.2, "bins": 16},
        search={"hidden": (64, 128), "learning_rate": (1e-3, 3e-3)},
        workers=2,
    ),
    # Days differ: over 28 of them the difference of two AUCs has a standard error of .0075, so less than .02 is seldom shown.
    evaluation=Evaluation(baseline="carrier_code", slices=("origin_code", "carrier_code"), minimum=0.6, margin=0.02),
    rollout=Rollout(shadow_tolerance=0.15),  # versions trained a month apart differ by about .05
    retraining=Retraining(on_new_labels=0.75),  # measured on 2013: training more often does not pay
)
