"""The loop on AWS: a model of flights that trains in SageMaker and is judged when a message of a queue says so."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tests.e2e.aws.account import AwsAccount
from tests.e2e.case_life import Case, Life
from tests.e2e.cluster.story import CASE as FLIGHTS

MODEL = "delays"
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

    def _monitoring(self, as_of: date) -> str:
        message = json.dumps({"as_of": as_of.isoformat(), "model": MODEL})
        self.aws.client("sqs").send_message(QueueUrl=self.aws.queue, MessageBody=message)
        return self.runs.started("monitoring")
