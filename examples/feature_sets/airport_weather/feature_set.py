"""Hourly observations at the three airports: one definition, one DAG and one row online, however many models read them."""

from datetime import date, timedelta

from include.core.spec import Data, Feature, Features, FeatureSet, View

HERE = __name__.removesuffix(".feature_set")  # the package that this folder is, wherever it was copied to

WORDS = {
    "temp": "temperature, °F", "dewp": "dew point, °F", "humid": "relative humidity, %", "wind_speed": "miles an hour",
    "wind_gust": "miles an hour", "precip": "inches within the hour", "pressure": "millibars at sea level", "visib": "miles",
}  # fmt: skip

SET = FeatureSet(
    name="airport_weather",
    owner="meteorology",
    description="Hourly observations at the airports of New York.",
    tags=("weather", "hourly"),
    data=Data(sources=("weather",), first=date(2013, 1, 1), last=date(2013, 12, 31)),
    features=Features(
        build=f"{HERE}.features:views",
        views=(
            View(
                name="weather",
                keys=("origin",),
                features=tuple(Feature(name=name, description=words) for name, words in WORDS.items()),
                ttl=timedelta(hours=12),
                description="the newest observation",
            ),
        ),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    freshness=timedelta(hours=3),
)
