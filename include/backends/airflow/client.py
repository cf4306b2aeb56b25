"""Airflow's REST API, as much of it as the demo needs: trigger, backfill, wait. Airflow itself is not imported."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from include.core.connection import Connection
from include.core.errors import JobFailedError, UnreachableError

DONE = ("success", "failed")
UNASKED = 5  # looks at a run's tasks until the run itself is asked for
OVER = (*DONE, "skipped", "upstream_failed", "removed")  # states in which a task stays


@dataclass
class AirflowClient:
    """A user's session. Every call raises UnreachableError when Airflow does not answer."""

    connection: Connection
    _token: str = field(default="", repr=False)
    _http: httpx.Client | None = field(default=None, repr=False, compare=False)

    # -- dags and runs ---------------------------------------------------------------------------------

    def wait_for_dag(self, dag_id: str, seconds: float = 90) -> None:
        """Until the dag processor has seen the DAG; then unpause it."""
        until = time.monotonic() + seconds
        while self._call("GET", f"/dags/{dag_id}", missing_ok=True) is None:
            if time.monotonic() > until:
                raise JobFailedError(
                    f"The DAG {dag_id} did not appear in {seconds:.0f} s.", hint="airflow dags list-import-errors"
                )
            time.sleep(0.5)
        self._call("PATCH", f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """A manual run with these parameters; returns its run id."""
        return str(self._call("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"])

    def trigger_as(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """A run under a name of ours. Raises JobFailedError where Airflow refuses it, one of that name among the reasons."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._call("POST", f"/dags/{quote(dag_id, safe='')}/dagRuns", body)

    def find(self, path: str) -> dict[str, Any] | None:
        """What is there, or None."""
        found: dict[str, Any] | None = self._call("GET", path, missing_ok=True)
        return found

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The newest hundred runs of a DAG, oldest first."""
        listed = self._call("GET", f"/dags/{dag_id}/dagRuns?limit=100&order_by=-run_after")
        return list(reversed(listed["dag_runs"]))

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        return found

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """State by task id."""
        listed = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        return {task["task_id"]: task["state"] or "waiting" for task in listed["task_instances"]}

    def wait_for_run(
        self, dag_id: str, run_id: str, tick: Callable[[dict[str, str]], None], seconds: float = 900, poll: float = 1.0
    ) -> str:
        """Until the run is over; `tick` sees its tasks' states on the way, every `poll` seconds. Returns success or failed."""
        until = time.monotonic() + seconds
        for look in itertools.count(1):
            tasks = self.tasks(dag_id, run_id)
            tick(tasks)
            # A run that a person has marked may be over with tasks that are not: now and then it is asked for itself.
            due = all(state in OVER for state in tasks.values()) or look % UNASKED == 0
            if due and (state := str(self.run(dag_id, run_id)["state"])) in DONE:
                return state
            if time.monotonic() > until:
                raise JobFailedError(f"Run {run_id} of {dag_id} was not over after {seconds:.0f} s.", seen=tasks)
            time.sleep(poll)
        raise AssertionError("the loop returns or raises")

    def unfinished(self) -> list[tuple[str, str, dict[str, str]]]:
        """(dag id, run id, state by task id) of every run that is queued or running, whatever started it."""
        runs = self._pages("/dags/~/dagRuns?state=queued&state=running", "dag_runs")
        listed = [(str(run["dag_id"]), str(run["dag_run_id"])) for run in runs]
        return [(dag_id, run_id, self.tasks(dag_id, quote(run_id, safe=""))) for dag_id, run_id in listed]

    # -- backfills -------------------------------------------------------------------------------------

    def count(self, dag_id: str, first: str, last: str) -> dict[str, int]:
        """Backfill runs by state with a logical date between two days, both included."""
        query = f"logical_date_gte={first}T00:00:00Z&logical_date_lte={last}T23:59:59Z&run_type=backfill"
        counts: dict[str, int] = {}
        for run in self._pages(f"/dags/{dag_id}/dagRuns?{query}", "dag_runs"):
            counts[run["state"]] = counts.get(run["state"], 0) + 1
        return counts

    def _pages(self, path: str, field_name: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._call("GET", f"{path}&limit=100&offset={offset}")
            yield from page[field_name]
            offset += 100
            if offset >= page["total_entries"]:
                return

    # -- http ------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: Any = None, *, missing_ok: bool = False) -> Any:
        for attempt in range(6):
            try:
                answer = self._open().request(
                    method,
                    f"{self.connection.url}/api/v2{path}",
                    json=body,
                    timeout=60,
                    headers={"Authorization": f"Bearer {self._bearer()}"},
                )
            except httpx.HTTPError as error:
                if attempt == 5:
                    raise UnreachableError(
                        f"Airflow at {self.connection.url} does not answer: {error}.",
                        hint="see `make status`; its address is the setting SLIPSTREAM_AIRFLOW_URL.",
                    ) from error
                time.sleep(1 + attempt)
                continue
            if answer.status_code == 401 and attempt < 5:
                self._token = ""
                continue
            if answer.status_code == 404 and missing_ok:
                return None
            if answer.status_code == 503 and attempt < 5:
                time.sleep(1 + attempt)
                continue
            if answer.is_error:
                raise JobFailedError(f"Airflow refused {method} {path}: HTTP {answer.status_code}.", seen=answer.text[:400])
            return answer.json() if answer.content else None
        raise AssertionError("the loop returns or raises")

    def _open(self) -> httpx.Client:
        """Made once: it reads the certificates, which costs more than a call. It keeps no connection: servers are restarted."""
        if self._http is None:
            self._http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
        return self._http

    def _bearer(self) -> str:
        if not self._token:
            body = {"username": self.connection.login, "password": self.connection.password}
            answer = self._open().post(f"{self.connection.url}/auth/token", json=body, timeout=60)
            answer.raise_for_status()
            self._token = str(answer.json()["access_token"])
        return self._token
