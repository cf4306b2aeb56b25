"""Which films will a user like on this visit? Asked as it begins."""

from datetime import date, timedelta

from include.core.spec import (
    Data,
    Evaluation,
    Feature,
    Features,
    ModelSpec,
    Ranking,
    Retraining,
    Rollout,
    Serving,
    Training,
    View,
)

HERE = __name__.removesuffix(".spec")  # the package that this folder is, wherever it was copied to

SPEC = ModelSpec(
    name="recommend",
    owner="programme",
    description="Films that a user will like on this visit",
    label="liked_then",
    problem=Ranking(query="visit_id", item="film_id", at=10),
    data=Data(
        sources=("ratings", "profiles", "films"),
        first=date(1997, 9, 20),
        last=date(1998, 4, 22),
        lookback_days=14,
        empty_days=True,
    ),
    features=Features(
        build=f"{HERE}.features:views",
        entities=f"{HERE}.features:entities",
        labels=f"{HERE}.features:labels",
        views=(
            View(
                name="taste",
                keys=("user_id",),
                features=tuple(Feature(name=name, dtype="text", default="") for name in ("member", "liked", "rated")),
            ),
            View(name="charts", keys=("market",), features=(Feature(name="charted", dtype="text", default=""),)),
            View(
                name="film",
                keys=("film_id",),
                features=(
                    Feature(name="film", dtype="text", default=""),
                    Feature(name="share", default=0.0),
                    Feature(name="share_of_first", default=0.0),
                ),
                ttl=timedelta(days=28),
            ),
        ),
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=Training(
        fit=f"{HERE}.train:fit",
        inputs="columns",
        window_days=160,
        holdout_days=28,
        minimum_rows=10_000,
        params={"width": 32, "ridge": 300.0, "weight_of_share": 2.0, "candidates": 200},
    ),
    # 200 visits tell an order in a month, and one visit's NDCG has a standard deviation of .25.
    evaluation=Evaluation(margin=0.05),
    # Another fit on a month more shows seven of ten films that this one does; the wrong way round it shows none of them.
    rollout=Rollout(shadow_tolerance=0.7),
    serving=Serving(redact=("rated", "charted")),  # long, and the same in each line of a list
    retraining=Retraining(on_new_labels=0.3, cooldown=timedelta(days=7)),
)
