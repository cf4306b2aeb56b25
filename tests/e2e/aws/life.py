"""The loop on AWS: a model of flights that trains in SageMaker and is judged when a message of a queue says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tests.e2e.aws.account import AwsAccount
from tests.e2e.case_callers import Pump
from tests.e2e.case_life import Case, Life
from tests.e2e.cluster.story import CASE as FLIGHTS

MODEL = "delays"
PACE = 60.0  # questions a second at most: beyond that the stand-in's DynamoDB answers late, and answers without it are degraded
CASE = Case(MODEL, FLIGHTS.land, FLIGHTS.history, FLIGHTS.weeks, FLIGHTS.break_version)
SPEC = '''"""flight_delay under another name: trained by trees, in SageMaker, and judged by the messages of a queue."""

from datetime import timedelta

from include.core.spec import Evaluation, ModelSpec, Retraining, Training, Triggers
from include.models.flight_delay.spec import SPEC as FLIGHTS

SPEC = ModelSpec(
    **FLIGHTS.model_dump(exclude={{"name", "training", "evaluation", "retraining", "triggers"}}),
    name="{model}",
    training=Training(
        fit="tests.e2e.aws.trees:fit", window_days=180, holdout_days=28, minimum_rows=2_000, params={{"trees": 60}}
    ),
    evaluation=Evaluation(baseline="carrier_code", minimum=0.55, margin=0.05),
    retraining=Retraining(on_new_labels=0.2, cooldown=timedelta(days=7)),
    triggers=Triggers(queue="{queue}"),
)
'''


def write_model(models: Path, queue: str) -> None:
    """The model's folder: a queue's address is known only once there is a queue."""
    folder = models / MODEL
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "spec.py").write_text(SPEC.format(model=MODEL, queue=queue))


@dataclass
class AwsLife(Life):
    """A life whose monitoring is started by messages."""

    aws: AwsAccount = field(default_factory=lambda: AwsAccount(""))

    @contextmanager
    def calling(self, until: date, per_second: float = 0.0) -> Iterator[Pump]:
        with super().calling(until, min(per_second or PACE, PACE)) as pump:
            yield pump

    def _crowd(self, pump: Pump) -> None:
        super()._crowd(pump)
        pump.callers.per_second = PACE

    def _monitoring(self, as_of: date) -> str:
        message = json.dumps({"as_of": as_of.isoformat(), "model": MODEL})
        self.aws.client("sqs").send_message(QueueUrl=self.aws.queue, MessageBody=message)
        return self.runs.started("monitoring")
