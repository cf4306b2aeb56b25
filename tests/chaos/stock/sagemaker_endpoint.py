"""Row: SageMakerEndpointOperator as it comes, moving an endpoint to a new model, against the fake of our own row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.chaos.protocol import Absent, Backends, Call, Cell, Clear, Cut, Down, Kill, Overlap, Pause, State, Strike, Variant
from tests.chaos.stock.step import StockStep, passing, trial_id
from tests.chaos.world import ROLE, World

AWS = Backends(jobs="sagemaker")
MODEL_MADE, ASKED = ("stock.model",), ("stock.submitted",)


class SageMakerEndpoint(StockStep):
    name = "sagemaker_endpoint"
    title = "move an endpoint: SageMakerEndpointOperator"
    promise = "the new model answers where the task says so, and the task can be tried again"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.before",)), AWS),),
        "F2": (Variant(Kill(ASKED), AWS),),
        "F3": (Variant(Kill(MODEL_MADE), AWS),),
        "F4": (Variant(Kill(("stock.done",)), AWS),),
        "F5": (Variant(Cut("jobs"), AWS),),
        "F6": Absent("the task writes no file"),
        "F7": (Variant(Pause(ASKED), AWS),),
        "F8": (Variant(Overlap(ASKED), AWS),),
        "F9": (Variant(Clear(), AWS),),
        "F10": (Variant(Down("jobs"), AWS), Variant(Strike("rolled back"), AWS)),
    }

    def reset(self, world: World) -> None:
        """The endpoint is in service with the model before."""
        world.endpoints("forget", text=world.image)
        client, name = _client(world), f"e-{trial_id(world)}"
        parts = _parts(world, name, "old")
        client.create_model(**parts["Model"])
        client.create_endpoint_config(**parts["EndpointConfig"])
        client.create_endpoint(**parts["Endpoint"])
        world.endpoints("settle", name=name)

    def work(self, world: World, call: Call) -> Any:
        from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
        from airflow.providers.amazon.aws.operators.sagemaker import SageMakerEndpointOperator

        config = _parts(world, f"e-{trial_id(world)}", "new")
        operator = SageMakerEndpointOperator(task_id="work", config=config, operation="update", check_interval=1)
        with (
            passing(SageMakerHook, "create_model", "stock.before", "stock.model"),
            passing(SageMakerHook, "update_endpoint", "stock.asking", "stock.submitted"),
        ):
            operator.execute({})
        return "moved"

    def strike(self, world: World, name: str, share: float) -> bool:
        """AWS will go back to the configuration before, and say nothing."""
        del name, share
        mark = world.scratch / "struck"
        if not mark.exists():
            mark.touch()
            world.endpoints("plan", outcome="silently_rolled_back")
        return True

    def left(self, world: World) -> State:
        name = f"e-{trial_id(world)}"
        world.endpoints("settle", name=name)
        found = world.endpoints("summary", prefix=name)["endpoints"].get(name, {})
        models = {variant: model.removeprefix(f"{name}-") for variant, model in found.get("models", {}).items()}
        return {"models": models, "asked": found.get("asked")}


def _parts(world: World, name: str, which: str) -> dict[str, Any]:
    container = {"Image": world.image, "Environment": {"SLIPSTREAM_ENDPOINT_VERSION": "endpoints/x/v1-0.json"}}
    variant = {"VariantName": "all", "ModelName": f"{name}-{which}", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return {
        "Model": {"ModelName": f"{name}-{which}", "PrimaryContainer": container, "ExecutionRoleArn": ROLE},
        "EndpointConfig": {"EndpointConfigName": f"{name}-{which}", "ProductionVariants": [variant]},
        "Endpoint": {"EndpointName": name, "EndpointConfigName": f"{name}-{which}"},
    }


def _client(world: World) -> Any:
    import boto3

    login = {"aws_access_key_id": "chaos", "aws_secret_access_key": "chaos", "region_name": "us-east-1"}
    return boto3.client("sagemaker", endpoint_url=world.servers.aws, **login)


STEP = SageMakerEndpoint()
