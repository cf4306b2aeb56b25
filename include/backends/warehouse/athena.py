"""Amazon Athena as a warehouse: UNLOAD, by a token that Athena knows its query by.

Sources: the API reference of StartQueryExecution (ClientRequestToken: the same token returns the same query, another query under
it is refused) and of GetQueryExecution; "UNLOAD" in Athena's user guide: the target must be empty, and the manifest beside the
query's result lists the files that were written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from include.backends.aws.errors import code, reaching
from include.core.errors import DataError
from include.core.ports import AwsAccess
from include.landing.warehouse import Look, Order, State

_STATES = {"QUEUED": State.RUNNING, "RUNNING": State.RUNNING, "SUCCEEDED": State.DONE, "FAILED": State.FAILED}
_TAKEN = "HIVE_PATH_ALREADY_EXISTS"
_USERS = 2  # the category of errors that the query's author makes


class Athena:
    def __init__(self, section: Mapping[str, Any], aws: AwsAccess) -> None:
        self._section, self._aws = section, aws

    @property
    def _athena(self) -> Any:
        return self._aws.client("athena")

    def start(self, order: Order) -> str:
        rows = order.fill(self._section["query"])
        return self._start(
            f"UNLOAD (\n{rows}\n) TO '{order.target}' WITH (format = 'PARQUET', compression = 'SNAPPY')", order.token
        )

    def look(self, query: str) -> Look:
        status = self._described(query)
        if status is None:
            return Look(State.LOST)
        status = status["Status"]
        error = status.get("AthenaError", {})
        words = error.get("ErrorMessage") or status.get("StateChangeReason") or status["State"]
        # A query that somebody cancelled is over, and no try of ours brings it back.
        passing = bool(error.get("Retryable")) or error.get("ErrorCategory", _USERS) != _USERS
        again = passing or _TAKEN in words  # another attempt has another folder
        return Look(_STATES.get(status["State"], State.FAILED), words, again)

    def files(self, query: str, target: str) -> list[str] | None:
        """Those of its manifest, each below the target. Raises DataError for one elsewhere."""
        described = self._described(query) or {}
        manifest = described.get("Statistics", {}).get("DataManifestLocation", "")
        if not manifest:
            return None
        bucket, _, key = manifest.removeprefix("s3://").partition("/")
        with reaching(f"the manifest {manifest}", safe="nothing was landed.", hint="may this login read Athena's results?"):
            body = self._aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        found = [row[0].strip() for row in csv.reader(io.StringIO(body.decode())) if row]
        if strange := [each for each in found if not each.startswith(target)]:
            raise DataError(f"The query {query} wrote outside {target}.", seen=strange[:3], safe="nothing was landed.")
        return found

    def ask(self, order: Order) -> str:
        return self._start(order.fill(self._section["ready"]), order.token)

    def answered(self, query: str) -> bool:
        with reaching(f"the answer of Athena's query {query}"):
            rows = self._athena.get_query_results(QueryExecutionId=query, MaxResults=2)["ResultSet"]["Rows"]
        return len(rows) > 1  # the first one holds the names of the columns

    def _start(self, statement: str, token: str) -> str:
        section = self._section
        asked: dict[str, Any] = {
            "QueryString": statement,
            "ClientRequestToken": token,
            "QueryExecutionContext": {"Database": section["database"], "Catalog": section["catalog"]},
            "WorkGroup": section["workgroup"],
        }
        if section["output"]:
            asked["ResultConfiguration"] = {"OutputLocation": section["output"]}
        with reaching(f"the query of {section['source']} in Athena", safe="no query was started.", hint="see data.warehouse."):
            return str(self._athena.start_query_execution(**asked)["QueryExecutionId"])

    def _described(self, query: str) -> dict[str, Any] | None:
        with reaching(f"Athena's query {query}"):
            try:
                return dict(self._athena.get_query_execution(QueryExecutionId=query)["QueryExecution"])
            except ClientError as error:
                if code(error) == "InvalidRequestException" and "not found" in str(error).lower():
                    return None  # Athena keeps queries for 45 days
                raise


def open_warehouse(section: Mapping[str, Any], aws: AwsAccess) -> Athena:
    return Athena(section, aws)
