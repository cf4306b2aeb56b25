"""The shop of the unit tests; its training leaves a mark for every time it really starts."""

from tests.unit.operators.models.shop.spec import SPEC as SHOP

SPEC = SHOP.model_copy(update={"training": SHOP.training.model_copy(update={"fit": "tests.chaos.models.counted.shop.train:fit"})})
