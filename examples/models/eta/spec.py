"""How many minutes after its scheduled time will a flight out of New York land, asked an hour before its departure?"""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Regression, Retraining, Training, View

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it was copied to

WEATHER = ("temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib")


def delays(kind: str) -> tuple[Feature, ...]:
    """Minutes of delay of those that landed in the last 6 and 168 hours."""
    return tuple(Feature(name=f"{kind}_{what}") for what in ("mean_delay_6h", "mean_delay_168h", "median_delay_168h"))


def departures(kind: str) -> tuple[Feature, ...]:
    """How late flights have left in the last hour and the last 3, in minutes, and the share of those that left late."""
    return tuple(Feature(name=f"{kind}_{what}") for what in ("departure_delay_1h", "departure_delay_3h", "departures_late_3h"))


SPEC = ModelSpec(
    name="eta",
    owner="flight-operations",
    description="Minutes of arrival delay of a flight out of New York, asked an hour before its departure",
    label="arrival_delay",
    problem=Regression(scale=30.0, unit="minutes", interval=0.9, minimum=-180.0, maximum=2880.0),
    data=Data(
        sources=("flights", "departures", "landings", "weather", "planes"),
        first=date(2013, 1, 1),
        last=date(2013, 12, 31),
        lookback_days=8,
    ),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(name="weather", keys=("origin",), features=tuple(Feature(name=n) for n in WEATHER), ttl=timedelta(hours=12)),
            View(name="carrier_delays", keys=("carrier",), features=delays("carrier"), ttl=timedelta(days=7)),
            View(name="route_delays", keys=("carrier", "origin", "dest"), features=delays("route"), ttl=timedelta(days=7)),
            View(name="origin_delays", keys=("origin",), features=delays("origin"), ttl=timedelta(days=7)),
            View(name="origin_departures", keys=("origin",), features=departures("origin"), ttl=timedelta(hours=6)),
            View(name="carrier_departures", keys=("carrier", "origin"), features=departures("carrier"), ttl=timedelta(hours=6)),
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
        minimum_rows=2_000,
        # Small and much regularised: a hundred and eighty days are so many weathers, however many flights there are.
        params={
            "epochs": 3,
            "batch_size": 1024,
            "learning_rate": 2e-3,
            "weight_decay": 0.1,
            "hidden": 64,
            "dropout": 0.3,
            "bins": 8,
        },
    ),
    # Days differ: over 28 of them less than a minute between two versions is seldom shown.
    evaluation=Evaluation(baseline="carrier_code", slices=("origin_code", "carrier_code"), margin=1.0),
    retraining=Retraining(on_new_labels=0.2),  # seasons: a model of half a year is trained again after five weeks
)
