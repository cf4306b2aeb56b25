"""The shop of the unit tests, with a small network that saves a checkpoint every two steps."""

from tests.support.training_example import NETWORK
from tests.unit.operators.models.shop.spec import SPEC as SHOP

TRAINING = {"fit": "tests.chaos.models.network.shop.train:fit", "params": {**NETWORK, "epochs": 2}, "search": {}}
SPEC = SHOP.model_copy(update={"training": SHOP.training.model_copy(update=TRAINING)})
