"""Row: SageMakerTrainingOperator as it comes, against the same fake of SageMaker that our rows run against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.chaos.protocol import Absent, Backends, Call, Cell, Clear, Cut, Down, Kill, Overlap, Pause, State, Variant
from tests.chaos.stock.step import StockStep, passing, trial_id
from tests.chaos.world import World

AWS = Backends(storage="s3", jobs="sagemaker")
SUBMITTED = ("stock.submitted",)


class SageMaker(StockStep):
    name = "sagemaker"
    title = "submit: SageMakerTrainingOperator"
    promise = "one training job"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(("stock.before",)), AWS),),
        "F2": (Variant(Kill(SUBMITTED), AWS),),
        "F3": Absent("a submission is one request"),
        "F4": (Variant(Kill(("stock.done",)), AWS),),
        "F5": (Variant(Cut("jobs"), AWS),),
        "F6": Absent("the task writes no file"),
        "F7": (Variant(Pause(SUBMITTED), AWS),),
        "F8": (Variant(Overlap(SUBMITTED), AWS),),
        "F9": (Variant(Clear(), AWS),),
        "F10": (Variant(Down("jobs"), AWS),),
    }

    def work(self, world: World, call: Call) -> Any:
        from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
        from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

        config = {
            "TrainingJobName": f"job-{trial_id(world)}",
            "AlgorithmSpecification": {
                "TrainingImage": world.image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["/bin/sh", "-c", "sleep 0.5"],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/train",
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        operator = SageMakerTrainingOperator(
            task_id="work", config=config, print_log=False, check_interval=1, check_if_job_exists=True
        )
        with passing(SageMakerHook, "create_training_job", "stock.before", "stock.submitted"):
            operator.execute({})
        return "trained"

    def left(self, world: World) -> State:
        return {"jobs": len(world.sagemaker("shown", text=f"job-{trial_id(world)}"))}


STEP = SageMaker()
