"""What the model is, on one screen. It imports nothing but the spec's own types: DAG files read it every few seconds.

Every field, its default and its bounds: docs/reference/spec.md. A wrong value is refused by name: `slipstream check` says it.
"""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, Training, View

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it lies

SPEC = ModelSpec(
    name="template",  # the folder's name; the ids of its DAGs begin with it
    owner="my-team",
    description="Will an order be sent back?",
    label="sent_back",  # the column of 0 and 1 that the SQL of the labels gives; the score is the probability of 1
    data=Data(
        # Daily files raw/{model}/{source}/date=YYYY-MM-DD/part.parquet; the SQL reads them as tables of these names.
        sources=("orders", "outcomes"),
        first=date(2024, 1, 1),  # the first day that has files
        lookback_days=7,  # how many earlier days the SQL of a day's features may read
    ),
    features=Features(
        # Code is named by text, so that reading the spec imports no library.
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            # Values by key and time, kept in the online store: a caller of the gateway sends the key alone.
            View(
                name="customer",
                keys=("customer_id",),
                features=(
                    Feature(name="orders_7d", default=0.0, description="Orders of the seven days before"),
                    Feature(name="mean_price_7d", description="Their mean price"),
                    Feature(name="sent_back_7d", default=0.0, description="Orders that came back in those days"),
                ),
                ttl=timedelta(days=2),  # an older value counts as missing
            ),
        ),
        # What a caller sends with the question.
        request=(Feature(name="price"), Feature(name="category", dtype="category")),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        window_days=28,  # the rows of so many days before the moment of training
        holdout_days=7,  # the newest of them are kept apart, for the evaluation
        minimum_rows=500,
        params={"learning_rate": 0.1, "trees": 30},  # what `fit` reads as job.params
        search={"learning_rate": (0.05, 0.1, 0.2)},  # tried where a run asks to tune
    ),
    # The gate of a new version: the metric's floor, a baseline to compare with, columns by whose values it is shown as well.
    evaluation=Evaluation(metric="auc", minimum=0.6, baseline="category", slices=("category",)),
)
