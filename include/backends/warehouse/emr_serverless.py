"""EMR Serverless as a warehouse: a Spark job that writes Parquet, by a token that the service knows its run by.

Sources: the API reference of StartJobRun (clientToken) and GetJobRun. Spark's committer writes `_SUCCESS` last of all: a folder
without it is half of a result. AWS Glue is not here: its StartJobRun has no token and lets nobody choose a run's name, so a
start whose answer was lost cannot be told from one that never arrived (docs/adr/0060).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import is_absent, reaching
from include.core.errors import DataError, SpecError
from include.core.ports import AwsAccess
from include.landing.warehouse import Look, Order, State

_OVER = {"SUCCESS": State.DONE, "FAILED": State.FAILED, "CANCELLED": State.FAILED, "CANCELLING": State.FAILED}


class EmrServerless:
    def __init__(self, section: Mapping[str, Any], aws: AwsAccess) -> None:
        self._section, self._aws = section, aws

    @property
    def _emr(self) -> Any:
        return self._aws.client("emr-serverless")

    def start(self, order: Order) -> str:
        section = self._section
        submit: dict[str, Any] = {
            "entryPoint": section["entry_point"],
            "entryPointArguments": [order.fill(each) for each in section["arguments"]],
        }
        if section["spark"]:
            submit["sparkSubmitParameters"] = shlex.join(shlex.split(section["spark"]))
        with reaching(f"the job of {section['source']} in EMR Serverless", safe="none was started.", hint="see data.warehouse."):
            started = self._emr.start_job_run(
                applicationId=section["application"], clientToken=order.token, executionRoleArn=section["role"],
                jobDriver={"sparkSubmit": submit}, name=f"slipstream-{section['source']}-{order.first}",
                executionTimeoutMinutes=section["minutes"], tags={"slipstream": order.token},
            )  # fmt: skip
            return str(started["jobRunId"])

    def look(self, query: str) -> Look:
        with reaching(f"the job {query} of EMR Serverless"):
            try:
                seen = self._emr.get_job_run(applicationId=self._section["application"], jobRunId=query)["jobRun"]
            except ClientError as error:
                if is_absent(error):
                    return Look(State.LOST)
                raise
        # What becomes of the same job on other workers nobody can say: a job that failed is tried again, a cancelled one is not.
        return Look(_OVER.get(seen["state"], State.RUNNING), seen.get("stateDetails") or seen["state"], seen["state"] == "FAILED")

    def files(self, query: str, target: str) -> list[str] | None:
        """None: the folder is the job's alone. Raises DataError where the committer has not said that it is whole."""
        bucket, _, key = f"{target}_SUCCESS".removeprefix("s3://").partition("/")
        with reaching(f"what the job {query} wrote", safe="nothing was landed."):
            try:
                self._aws.client("s3").head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if is_absent(error):
                    raise DataError(
                        f"The job {query} has ended well and left no _SUCCESS in its folder.",
                        seen=target,
                        safe="nothing was landed.",
                        hint="write with Spark's own committer to the folder in {target}, and nothing else there.",
                    ) from error
                raise
        return None

    def ask(self, order: Order) -> str:
        del order
        raise SpecError(
            f"EMR Serverless answers no question, so nobody can wait for a day of {self._section['source']} by one.",
            hint="name the Glue table whose partition says that the day is there: data.warehouse: table=..., partition=...",
        )

    def answered(self, query: str) -> bool:
        raise SpecError("EMR Serverless answers no question.", seen=query)


def open_warehouse(section: Mapping[str, Any], aws: AwsAccess) -> EmrServerless:
    return EmrServerless(section, aws)
