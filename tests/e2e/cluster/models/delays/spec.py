"""flight_delay under another name, trained shorter and sooner again: on two workers, by whatever Ray cluster there is."""

from datetime import timedelta

from include.core.spec import Evaluation, ModelSpec, Retraining, Training
from include.models.flight_delay.spec import SPEC as FLIGHTS

_changed = {"name", "training", "evaluation", "retraining"}

SPEC = ModelSpec(
    **FLIGHTS.model_dump(exclude=_changed),
    name="delays",
    training=Training(
        fit=FLIGHTS.training.fit,
        window_days=180,
        holdout_days=28,
        minimum_rows=2_000,
        params={**FLIGHTS.training.params, "epochs": 3},
        workers=2,
    ),
    evaluation=Evaluation(baseline="carrier_code", minimum=0.55, margin=0.05),
    retraining=Retraining(on_new_labels=0.2, cooldown=timedelta(days=7)),
)
