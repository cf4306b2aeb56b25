"""Amazon Redshift as a warehouse: UNLOAD by the Data API, by a token that the service knows its statement by.

Sources: the API reference of ExecuteStatement (ClientToken) and DescribeStatement, which keeps statements for 24 hours; "UNLOAD"
in Redshift's developer guide: a target that holds files is refused, and MANIFEST lists those that were written, last of all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, is_absent, reaching
from include.core.errors import DataError
from include.core.ports import AwsAccess
from include.landing.warehouse import Look, Order, State

_STATES = {
    "SUBMITTED": State.RUNNING, "PICKED": State.RUNNING, "STARTED": State.RUNNING, "FINISHED": State.DONE,
}  # fmt: skip
# Words of errors that are of the moment and not of the statement: the Data API has no code for them.
_PASSING = (
    "serializable isolation", "connection", "timeout", "timed out", "internal error", "out of memory", "restart", "is not empty",
)  # fmt: skip


class Redshift:
    def __init__(self, section: Mapping[str, Any], aws: AwsAccess) -> None:
        self._section, self._aws = section, aws

    @property
    def _data(self) -> Any:
        return self._aws.client("redshift-data")

    def start(self, order: Order) -> str:
        rows, role = order.fill(self._section["query"]), self._section["role"]
        granted = "default" if role == "default" else f"'{role}'"
        return self._start(
            f"UNLOAD ($$\n{rows}\n$$) TO '{order.target}' IAM_ROLE {granted} FORMAT AS PARQUET MANIFEST", order.token
        )

    def look(self, query: str) -> Look:
        with reaching(f"Redshift's statement {query}"):
            try:
                seen = self._data.describe_statement(Id=query)
            except ClientError as error:
                if is_absent(error) or (code(error) == "ValidationException" and "does not exist" in str(error)):
                    return Look(State.LOST)
                raise
        words = seen.get("Error") or seen["Status"]
        again = seen["Status"] == "FAILED" and any(each in words.lower() for each in _PASSING)
        return Look(_STATES.get(seen["Status"], State.FAILED), words, again)

    def files(self, query: str, target: str) -> list[str] | None:
        """Those of the manifest, each below the target. None where it wrote no manifest. Raises DataError for one elsewhere."""
        bucket, _, key = f"{target}manifest".removeprefix("s3://").partition("/")
        with reaching(f"the manifest of the statement {query}", safe="nothing was landed."):
            try:
                body = self._aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            except ClientError as error:
                if code(error) == "NoSuchKey":
                    return None
                raise
        found = [str(entry["url"]) for entry in json.loads(body)["entries"]]
        if strange := [each for each in found if not each.startswith(target)]:
            raise DataError(f"The statement {query} wrote outside {target}.", seen=strange[:3], safe="nothing was landed.")
        return found

    def ask(self, order: Order) -> str:
        return self._start(order.fill(self._section["ready"]), order.token)

    def answered(self, query: str) -> bool:
        with reaching(f"the answer of Redshift's statement {query}"):
            return bool(self._data.get_statement_result(Id=query)["Records"])

    def _start(self, statement: str, token: str) -> str:
        section = self._section
        where = {
            "WorkgroupName": section["workgroup"], "ClusterIdentifier": section["cluster"], "DbUser": section["user"],
            "SecretArn": section["secret"],
        }  # fmt: skip
        with reaching(f"the query of {section['source']} in Redshift", safe="none was started.", hint="see data.warehouse."):
            started = self._data.execute_statement(
                Sql=statement, Database=section["database"], ClientToken=token, StatementName=f"slipstream-{token[:16]}",
                **{name: value for name, value in where.items() if value},
            )  # fmt: skip
            return str(started["Id"])


def open_warehouse(section: Mapping[str, Any], aws: AwsAccess) -> Redshift:
    return Redshift(section, aws)
