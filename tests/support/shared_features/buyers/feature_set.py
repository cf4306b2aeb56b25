"""What a customer bought lately, for every model that asks."""

from datetime import date, timedelta

from include.core.spec import Data, Feature, Features, FeatureSet, View

HERE = __name__.rpartition(".")[0]

SET = FeatureSet(
    name="buyers",
    owner="customer-data",
    description="What a customer bought lately.",
    tags=("customers", "shop"),
    data=Data(sources=("purchases",), first=date(2013, 1, 1), last=date(2013, 1, 31), lookback_days=2),
    features=Features(
        build=f"{HERE}.features:views",
        views=(
            View(
                name="customer",
                keys=("customer",),
                features=(
                    Feature(name="mean_price", description="mean price of what was bought within the hour"),
                    Feature(name="bought", description="how much was bought within the hour"),
                ),
                ttl=timedelta(days=2),
                description="by the hour",
            ),
            View(name="shelves", keys=("shelf",), features=(Feature(name="dearest"),)),
        ),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    freshness=timedelta(days=1),
)
