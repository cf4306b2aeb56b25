"""How many stars does a review give? Asked as the text is written, for the many that come without stars."""

from datetime import date, timedelta

from include.core.spec import Data, Evaluation, Feature, Features, ModelSpec, MultiClass, Retraining, Rollout, Training, View

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it was copied to

SPEC = ModelSpec(
    name="text",
    owner="customer-care",
    description="The stars of a review, one to five, from its title and text",
    label="stars",
    problem=MultiClass(
        classes=("1", "2", "3", "4", "5"),
        default=(0.035, 0.065, 0.12, 0.22, 0.56),
        decision=f"{HERE}.decide:rather_rare",
    ),
    data=Data(sources=("reviews", "stars"), first=date(2023, 1, 1), last=date(2023, 7, 19), lookback_days=28),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(
                name="garment",
                keys=("clothing_id",),
                features=(Feature(name="garment_stars", default=4.2), Feature(name="garment_reviews", default=0.0)),
                ttl=timedelta(days=28),
            ),
        ),
        request=(
            Feature(name="title", dtype="text", default=""),
            Feature(name="review", dtype="text", default=""),
            Feature(name="department", dtype="category"),
            Feature(name="age"),
        ),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        inputs="columns",
        window_days=120,
        holdout_days=14,
        minimum_rows=2_000,
        params={"rarest_word": 3, "rarest_pair": 5, "C": 1.0},
    ),
    # Some 1,600 reviews of a fortnight tell a difference of .05 in log loss, where the classes themselves leave 1.2.
    evaluation=Evaluation(baseline="department", slices=("department",), margin=0.05),
    # Some 150 reviews a day of some 600 garments, each of which meets one version: a step of 5 % would see thirty of them.
    rollout=Rollout(steps=(20, 50, 100), step_requests=50, error_floor=0.03),
    # Fashions change: a model is trained again once a third as many new labels have come as it was trained on.
    retraining=Retraining(on_new_labels=0.3, cooldown=timedelta(days=7), minimum_labels=1000),
)
