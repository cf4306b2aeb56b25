"""The parameters of a run, as the trigger form shows them. Operators read them in any DAG that has them."""

from __future__ import annotations

from airflow.sdk import Param

from include.core.partition import Cadence

FRESH = Param(
    False,
    type="boolean",
    title="Compute afresh",
    description="Ignore earlier results of the same inputs and compute them once more for this run. Older results are kept.",
)
DAY = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Day",
    description="The day (UTC) this run is about. Empty: the day of its data interval.",
)
FROM = Param(
    None,
    type=["null", "string"],
    format="date",
    title="From",
    description="The first day (UTC) to take in. Empty, in a backfill: the first day of the run's data interval.",
)
TO = Param(
    None,
    type=["null", "string"],
    format="date",
    title="To",
    description="The last day (UTC) to take in, included. Empty, in a backfill: the last day of the run's data interval.",
)


def of_cadence(param: Param, cadence: Cadence) -> Param:
    """A parameter that names a day, as one that names a partition: the form has no calendar for those."""
    if cadence.is_daily:
        return param
    form = f"({cadence.shape}, such as {cadence.example})"
    words = str(param.description).replace("day", "partition").replace("(UTC)", form)
    return Param(None, words, type=["null", "string"], title=str(param.schema["title"]).replace("Day", "Partition"))


AS_OF = Param(
    None,
    type=["null", "string"],
    title="As of",
    description="Pretend it is this moment (UTC, such as 2013-04-01): nothing known later is used. "
    "Empty: the triggering event's, else the end of the data interval, else the newest published day.",
)
TUNE = Param(False, type="boolean", title="Tune", description="Search the spec's grid of parameters before training.")
RESOURCES = Param(
    None,
    type=["null", "object"],
    title="Resources",
    description='Other machines than the spec\'s, for this run, such as {"gpus": 1, "memory_gb": 16, "precision": "bf16"}: cpus, '
    "memory_gb, gpus, accelerator and so on of each worker, nodes, placement, workers, precision, time_limit (seconds). "
    "Empty: the spec's.",
)
VERSION = Param(
    None,
    type=["null", "integer"],
    title="Version",
    description="The registered version to roll out; a run triggered by hand must name it (an Archived one is "
    "offered again, if its gate is open). An event brings its own.",
)
EXPERIMENT = Param(
    None,
    type=["null", "string"],
    title="Experiment",
    description="The experiment of the spec to start. Empty: the live one is looked at.",
)
OVERRIDE = Param(
    None,
    type=["null", "string"],
    title="Override",
    description="Roll the version out although its gate is closed: why. Your name and the reason are audited and shown "
    "beside the version. Empty: the gate stands.",
)
