"""The shop of the unit tests, served by a SageMaker endpoint."""

from tests.unit.operators.models.shop.spec import SPEC as SHOP

SPEC = SHOP.model_copy(update={"serving": SHOP.serving.model_copy(update={"target": "sagemaker"})})
