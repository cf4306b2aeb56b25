"""Fakes of Athena, Redshift's Data API and EMR Serverless that run what they are asked, on tables in memory.

A query runs for so many looks at it, and then does its work at once: an UNLOAD's SELECT is DuckDB's, and its files go to the same
server's S3, several of them, their rows in another order each time. Tokens, targets that are taken, manifests and errors are as
the services' references have them.
"""

from __future__ import annotations

import io
import json
import random
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, ClassVar

import boto3

from tests.support.aws.part import Asked, AwsError, Body, Clock, Faults, Handler, Part
from tests.support.later import Later

pa: Any = Later("pyarrow")
pq: Any = Later("pyarrow.parquet")
duckdb: Any = Later("duckdb")

_UNLOAD = re.compile(r"UNLOAD \((?:\$\$)?\n(?P<rows>.*)\n(?:\$\$)?\) TO '(?P<target>[^']+)'", re.DOTALL)
_JOBS = re.compile(r"/applications/(?P<application>[0-9a-z]+)/jobruns(?:/(?P<run>[0-9a-z]+))?")


@dataclass
class Query:
    number: str
    text: str
    token: str
    looks: int
    state: str = "running"  # done, failed
    words: str = ""
    category: int = 2
    rows: list[Any] = field(default_factory=list)
    manifest: str = ""


class Warehouse(Part):
    """What the three have in common."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        super().__init__(clock, faults)
        self.tables: dict[str, Any] = {}  # pyarrow's, by name
        self.queries: dict[str, Query] = {}  # every one that was started, by its number
        self.looks = 1  # at a query that still runs
        self.failing: list[tuple[str, int]] = []  # words and category of queries to come
        self._tokens: dict[str, str] = {}
        self._client: Any = None

    def clear(self) -> None:
        """As it began."""
        self.tables, self.looks, self.failing = {}, 1, []
        self.forget()

    def answer(self, asked: Asked) -> Body | None:
        """Without the limits of names: Athena's are patterns that Python's `re` does not read."""
        handler = self.handler(asked)
        if handler is None:
            return None
        self.faults.check(asked.operation)
        return handler(asked.json())

    def fail(self, words: str, category: int = 2) -> None:
        """The next query fails."""
        self.failing.append((words, category))

    def forget_tokens(self) -> None:
        """Hours have passed."""
        self._tokens.clear()

    def forget(self) -> None:
        """Weeks have passed: no query is known."""
        self._tokens.clear()
        self.queries.clear()

    def unloads(self) -> int:
        """How many queries were started that write."""
        return sum(not query.text.lstrip().upper().startswith("SELECT") for query in self.queries.values())

    def _start(self, text: str, token: str, refusal: str) -> str:
        if token in self._tokens:
            number = self._tokens[token]
            if self.queries[number].text != text:
                raise AwsError(refusal, "Idempotent parameters do not match the first request of that token")
            return number
        number = self._tokens[token] = self._number()
        self.queries[number] = Query(number, text, token, self.looks)
        return number

    def _number(self) -> str:
        return str(uuid.uuid4())

    def _look(self, query: Query) -> Query:
        if query.state == "running":
            query.looks -= 1
            if query.looks < 0:
                self._run(query)
        return query

    def _run(self, query: Query) -> None:
        if self.failing:
            query.words, query.category = self.failing.pop(0)
            query.state = "failed"
            return
        try:
            self._work(query)
            query.state = "done"
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a query is said of it
            query.words, query.state = str(error), "failed"

    def _work(self, query: Query) -> None:
        found = _UNLOAD.match(query.text)
        if found is None:
            query.rows = self._select(query.text).to_pylist()
            return
        files = self.write(self._select(found["rows"]), found["target"])
        self._list(query, found["target"], files)

    def _list(self, query: Query, target: str, files: list[str]) -> None:
        """Write the manifest."""

    def _select(self, text: str) -> Any:
        with duckdb.connect() as session:
            for name, table in self.tables.items():
                session.register(name, table)
            return session.sql(text).to_arrow_table()

    def write(self, table: Any, target: str, names: str = "part") -> list[str]:
        """The rows as two files, if there are any. Raises RuntimeError where the target is taken."""
        s3, (bucket, _, prefix) = self._s3(), target.removeprefix("s3://").partition("/")
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("KeyCount"):
            raise RuntimeError(self.taken(target))
        order = pa.array(random.sample(range(table.num_rows), table.num_rows), pa.int64())
        shuffled, half, files = table.take(order), table.num_rows // 2, []
        for number, part in enumerate((shuffled.slice(0, half), shuffled.slice(half))):
            if part.num_rows:
                held = io.BytesIO()
                pq.write_table(part, held)
                files.append(f"{target}{names}-{number}-{uuid.uuid4().hex[:8]}")
                s3.put_object(Bucket=bucket, Key=files[-1].removeprefix(f"s3://{bucket}/"), Body=held.getvalue())
        return files

    def put(self, address: str, body: str) -> None:
        bucket, _, key = address.removeprefix("s3://").partition("/")
        self._s3().put_object(Bucket=bucket, Key=key, Body=body.encode())

    def taken(self, target: str) -> str:
        return f"{target} is not empty"

    def _s3(self) -> Any:
        if self._client is None:  # one for all: to make one costs more than what it is asked
            keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
            self._client = boto3.client("s3", endpoint_url=self.address, **keys)
        return self._client


class AthenaQueries(Warehouse):
    service, prefix = "athena", "AmazonAthena"
    operations = ("StartQueryExecution", "GetQueryExecution", "GetQueryResults")
    _STATES: ClassVar = {"running": "RUNNING", "done": "SUCCEEDED", "failed": "FAILED"}

    def start_query_execution(self, body: Body) -> Body:
        return {"QueryExecutionId": self._start(body["QueryString"], body["ClientRequestToken"], "InvalidRequestException")}

    def get_query_execution(self, body: Body) -> Body:
        query = self._look(self._known(body))
        status: Body = {"State": self._STATES[query.state]}
        if query.state == "failed":
            error = {"ErrorCategory": query.category, "ErrorMessage": query.words, "Retryable": query.category == 1}
            status |= {"StateChangeReason": query.words, "AthenaError": error}
        statistics = {"DataManifestLocation": query.manifest} if query.manifest else {}
        return {"QueryExecution": {"QueryExecutionId": query.number, "Query": query.text, "Status": status,
                                   "Statistics": statistics}}  # fmt: skip

    def get_query_results(self, body: Body) -> Body:
        rows = [{"Data": [{"VarCharValue": "name"}]}]
        rows += [{"Data": [{"VarCharValue": str(value)} for value in row.values()]} for row in self._known(body).rows]
        return {"ResultSet": {"Rows": rows[: body["MaxResults"]]}}

    def taken(self, target: str) -> str:
        return f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {target}"

    def _list(self, query: Query, target: str, files: list[str]) -> None:
        query.manifest = f"s3://{target.removeprefix('s3://').partition('/')[0]}/athena/{query.number}-manifest.csv"
        self.put(query.manifest, "".join(f"{file}\n" for file in files))

    def _known(self, body: Body) -> Query:
        if body["QueryExecutionId"] not in self.queries:
            raise AwsError("InvalidRequestException", f"QueryExecution {body['QueryExecutionId']} was not found")
        return self.queries[body["QueryExecutionId"]]


class RedshiftStatements(Warehouse):
    service, prefix = "redshift-data", "RedshiftData"
    operations = ("ExecuteStatement", "DescribeStatement", "GetStatementResult")
    _STATES: ClassVar = {"running": "STARTED", "done": "FINISHED", "failed": "FAILED"}

    def execute_statement(self, body: Body) -> Body:
        number = self._start(body["Sql"], body["ClientToken"], "ValidationException")
        return {"Id": number, "CreatedAt": self.clock.now().timestamp(), "Database": body["Database"]}

    def describe_statement(self, body: Body) -> Body:
        query = self._look(self._known(body))
        return {"Id": query.number, "Status": self._STATES[query.state], **({"Error": query.words} if query.words else {})}

    def get_statement_result(self, body: Body) -> Body:
        records = [[{"stringValue": str(value)} for value in row.values()] for row in self._known(body).rows]
        return {"Records": records, "ColumnMetadata": [], "TotalNumRows": len(records)}

    def taken(self, target: str) -> str:
        return f"ERROR: Specified unload destination on S3 is not empty. Consider using a different bucket / prefix ({target})"

    def _list(self, query: Query, target: str, files: list[str]) -> None:
        self.put(f"{target}manifest", json.dumps({"entries": [{"url": file} for file in files]}))

    def _known(self, body: Body) -> Query:
        if body["Id"] not in self.queries:
            raise AwsError("ResourceNotFoundException", f"Query {body['Id']} does not exist")
        return self.queries[body["Id"]]


class SparkJobs(Warehouse):
    """Its script writes the table of its name's days: `s3://code/TABLE.py FIRST AFTER TARGET`, by the column `day`."""

    service, prefix = "emr-serverless", ""
    commits = True  # whether it leaves _SUCCESS
    _STATES: ClassVar = {"running": "RUNNING", "done": "SUCCESS", "failed": "FAILED"}

    def takes(self, path: str) -> bool:
        return _JOBS.fullmatch(path) is not None

    def handler(self, asked: Asked) -> Handler | None:
        found = None if asked.target else _JOBS.fullmatch(asked.path)
        if found is None:
            return None

        def answer(body: Body) -> Body:
            with self.lock:
                return self._described(found["run"]) if found["run"] else self._submitted(found["application"], body)

        return answer

    def _submitted(self, application: str, body: Body) -> Body:
        number = self._start(json.dumps(body["jobDriver"], sort_keys=True), body["clientToken"], "ConflictException")
        return {"applicationId": application, "jobRunId": number, "arn": f"arn:aws:emr-serverless:us-east-1:1:/jobruns/{number}"}

    def _described(self, number: str) -> Body:
        if number not in self.queries:
            raise AwsError("ResourceNotFoundException", f"JobRun {number} does not exist", 404)
        query = self._look(self.queries[number])
        return {"jobRun": {"jobRunId": number, "state": self._STATES[query.state], "stateDetails": query.words}}

    def _number(self) -> str:
        return f"00f{uuid.uuid4().hex[:13]}"

    def _work(self, query: Query) -> None:
        submit = json.loads(query.text)["sparkSubmit"]
        name, (first, after, target) = submit["entryPoint"].rpartition("/")[2].removesuffix(".py"), submit["entryPointArguments"]
        rows = self._select(f"SELECT * FROM {name} WHERE day >= DATE '{first}' AND day < DATE '{after}'")
        self.write(rows, target)
        if self.commits:
            self.put(f"{target}_SUCCESS", "")
