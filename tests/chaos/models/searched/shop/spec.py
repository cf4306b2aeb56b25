"""The shop of the unit tests with a small network, whose parameters are searched by population based training."""

from include.core.spec import Float, Integer, Search
from tests.chaos.models.network.shop.spec import SPEC as NETWORK

SPACE = {
    "learning_rate": Float(low=1e-3, high=1e-1, log=True),
    "dropout": Float(low=0.0, high=0.5),
    "hidden": Integer(low=4, high=16),
}
PBT = Search(space=SPACE, algorithm="random", scheduler="pbt", trials=3)
ASHA = Search(space=SPACE, algorithm="tpe", scheduler="asha", trials=5, startup=3, reduction=2)
TRAINING = {"params": {**NETWORK.training.params, "epochs": 3}, "search": PBT}
SPEC = NETWORK.model_copy(update={"training": NETWORK.training.model_copy(update=TRAINING)})
