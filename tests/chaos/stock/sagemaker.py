"""Row: SageMakerTrainingOperator as it comes, against moto's server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.chaos.protocol import Absent, Backends, Call, Cell, Clear, Cut, Down, Kill, Overlap, Pause, State, Variant
from tests.chaos.stock.step import StockStep, passing, trial_id
from tests.chaos.world import World

AWS = Backends(storage="s3")  # moto's server stands for all of AWS
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
        "F5": (Variant(Cut("storage"), AWS),),
        "F6": Absent("the task writes no file"),
        "F7": (Variant(Pause(SUBMITTED), AWS),),
        "F8": (Variant(Overlap(SUBMITTED), AWS),),
        "F9": (Variant(Clear(), AWS),),
        "F10": (Variant(Down("storage"), AWS),),
    }

    def work(self, world: World, call: Call) -> Any:
        from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
        from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTrainingOperator

        config = {
            "TrainingJobName": f"job-{trial_id(world)}",
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
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
        client = boto(world)
        names = [
            job["TrainingJobName"]
            for page in client.get_paginator("list_training_jobs").paginate()
            for job in page["TrainingJobSummaries"]
        ]
        return {"jobs": sum(trial_id(world) in name for name in names)}


def boto(world: World) -> Any:
    import boto3

    return boto3.client(
        "sagemaker",
        endpoint_url=world.s3_url(),
        region_name="us-east-1",
        aws_access_key_id="chaos",
        aws_secret_access_key="chaos",
    )


STEP = SageMaker()
