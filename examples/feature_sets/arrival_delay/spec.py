"""flight_delay as it is, but for the weather: that is the feature set's."""

from include.core.spec import ModelSpec
from include.models.flight_delay.spec import SPEC as FLIGHT_DELAY

HERE = __name__.removesuffix(".spec")
OWN = FLIGHT_DELAY.features

SPEC = ModelSpec(
    name="arrival_delay",
    owner=FLIGHT_DELAY.owner,
    description=FLIGHT_DELAY.description,
    label=FLIGHT_DELAY.label,
    data=FLIGHT_DELAY.data.model_copy(update={"sources": ("flights", "landings", "planes")}),
    features=OWN.model_copy(
        update={
            "build": f"{HERE}.features:views",
            "views": tuple(view for view in OWN.views if view.name != "weather"),
            "sets": ("airport_weather",),
        }
    ),
    expectations=f"{HERE}.expectations:EXPECTATIONS",
    training=FLIGHT_DELAY.training,
    evaluation=FLIGHT_DELAY.evaluation,
    rollout=FLIGHT_DELAY.rollout,
    retraining=FLIGHT_DELAY.retraining,
)
