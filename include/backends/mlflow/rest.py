"""The few calls of MLflow's REST API that live tracking needs, without importing MLflow: it costs 4 s and 200 MB.

Source: MLflow REST API 2.0 (mlflow/protos/service.proto). Limits: 1,000 metrics and 1 MB a `runs/log-batch`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from include.core import tls, tracing
from include.core.connection import from_env
from include.core.environment import MLFLOW_CERTIFICATES, MLFLOW_INSECURE
from include.core.errors import PermanentError, SlipstreamError, UnreachableError
from include.core.settings import Settings

CONNECTION = "slipstream_mlflow"
MAX_METRICS = 999  # in one log_batch, beside one tag
KIND = {"mlflow.experimentKind": "custom_model_development"}  # how its page is laid out
TIMEOUT = httpx.Timeout(30.0, connect=3.0)  # seconds; nobody waits for these calls but a thread of their own
logging.getLogger("httpx").setLevel(logging.WARNING)


class MlflowRest:
    """A session with a tracking server. Every call raises UnreachableError, or PermanentError for an answer of "no"."""

    # What an error says of the metrics of a training; other users of the session say what is theirs.
    safe, back = "the metrics are kept in the spool", "they are delivered when it is back"
    login_hint = f"set AIRFLOW_CONN_{CONNECTION.upper()} where training runs, to see them while it does."

    def __init__(self, url: str, login: str = "", password: str = "") -> None:
        self.url = url.rstrip("/")
        auth = (login, password) if login else None
        secure = tls_context() if self.url.startswith("https:") else False  # only then are certificates worth their reading
        base = f"{self.url}/api/2.0/mlflow"
        self._opened_in = tracing.headers()  # the span that its calls are for, where a thread makes them
        self._client = httpx.Client(base_url=base, auth=auth, timeout=TIMEOUT, trust_env=False, verify=secure)

    def experiment(self, name: str) -> str:
        """Its id; it is made if there is none."""
        found = self._call("GET", "/experiments/get-by-name", params={"experiment_name": name}, absent_ok=True)
        if found is None:
            # Refused where somebody else was first: then it is there.
            made = self._call("POST", "/experiments/create", json={"name": name, "tags": _tags(KIND)}, absent_ok=True)
            if made is not None:
                return str(made["experiment_id"])
            found = self._call("GET", "/experiments/get-by-name", params={"experiment_name": name})
        held = found["experiment"]
        if held["lifecycle_stage"] == "deleted":
            self._call("POST", "/experiments/restore", json={"experiment_id": held["experiment_id"]})
        return str(held["experiment_id"])

    def runs(self, experiment: str, tag: str, value: str) -> list[dict[str, Any]]:
        """Active runs with that tag, oldest first."""
        query = {
            "experiment_ids": [experiment],
            "filter": f"tags.`{tag}` = '{value}'",
            "order_by": ["attributes.start_time ASC"],
            "max_results": 100,
        }
        return list(self._call("POST", "/runs/search", json=query).get("runs", []))

    def create_run(self, experiment: str, name: str, tags: Mapping[str, str], start: int) -> str:
        body = {"experiment_id": experiment, "run_name": name, "start_time": start, "tags": _tags(tags)}
        return str(self._call("POST", "/runs/create", json=body)["run"]["info"]["run_id"])

    def delete_run(self, run_id: str) -> None:
        self._call("POST", "/runs/delete", json={"run_id": run_id}, absent_ok=True)

    def finish_run(self, run_id: str, end: int) -> None:
        self._call("POST", "/runs/update", json={"run_id": run_id, "status": "FINISHED", "end_time": end})

    def log_batch(self, run_id: str, metrics: Sequence[tuple[str, float, int, int]], tags: Mapping[str, str]) -> None:
        """Metrics as (name, value, milliseconds, step), then the tags. What is there already is not added again."""
        rows = [{"key": k, "value": _number(v), "timestamp": at, "step": step} for k, v, at, step in metrics]
        self._call("POST", "/runs/log-batch", json={"run_id": run_id, "metrics": rows, "tags": _tags(tags)})

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Parameters, at most 100. The same ones again change nothing."""
        body = {"run_id": run_id, "params": _tags(params)}
        self._call("POST", "/runs/log-batch", json=body)

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, path: str, *, absent_ok: bool = False, **request: Any) -> Any:
        try:
            answer = self._client.request(method, path, headers=tracing.headers() or self._opened_in, **request)
        except httpx.HTTPError as error:
            raise self._unreachable(f"{type(error).__name__}: {error}") from error
        if answer.status_code in (401, 403):
            raise PermanentError(
                f"MLflow at {self.url} refused the login of the connection {CONNECTION!r}: HTTP {answer.status_code}.",
                safe=f"{self.safe}.",
                hint=self.login_hint,
            )
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise self._unreachable(f"HTTP {answer.status_code} {answer.text[:200]}")
        if answer.is_error:
            if absent_ok:
                return None
            raise self._refused(f"{method} {path}", answer)
        try:
            return answer.json()
        except ValueError as error:  # a login page of a proxy, say
            raise self._unreachable(f"its answer is no JSON: {answer.text[:200]!r}") from error

    def _refused(self, asked: str, answer: httpx.Response) -> SlipstreamError:
        """The error for an answer of "no"."""
        return PermanentError(f"MLflow at {self.url} refused {asked}: HTTP {answer.status_code}.", seen=answer.text[:400])

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"MLflow at {self.url} does not answer: {why}.",
            safe=f"{self.safe}.",
            hint=f"start it, or set SLIPSTREAM_MLFLOW_URL to where it is; {self.back}.",
        )


def tls_context() -> ssl.SSLContext:
    """By the settings that MLflow's own client takes, so that probes, live metrics and registration agree."""
    if MLFLOW_INSECURE.is_on():
        return tls.unverified()
    return tls.context(None, MLFLOW_CERTIFICATES)


def open_rest(settings: Settings) -> MlflowRest:
    """A session with `settings.mlflow_url`, with the login of the connection `slipstream_mlflow`."""
    connection = from_env(CONNECTION, settings.environ)
    return MlflowRest(settings.mlflow_url, *((connection.login, connection.password) if connection else ()))


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in tags.items()]


def _number(value: float) -> float | str:
    """JSON has no NaN and no infinity: protobuf's JSON form spells them out."""
    if value != value:
        return "NaN"
    if abs(value) == float("inf"):
        return "Infinity" if value > 0 else "-Infinity"
    return value
