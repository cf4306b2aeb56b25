"""The gateway's client: for the command line, the demonstration and the rollout's tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from include.core import tls, tracing
from include.core.connection import from_env
from include.core.control import ControlStore
from include.core.environment import GATEWAY_CLIENT_CERT, GATEWAY_CLIENT_KEY
from include.core.errors import DataError, GateClosed, UnreachableError
from include.core.settings import Settings
from include.core.spec.dtypes import length_of
from include.routing.gateways import list_gateways, silent_words
from include.serving.applied import wait_for_all
from include.serving.prediction.explanation_names import BASE, CONTRIBUTIONS, MISSING, OF

CONNECTION = "slipstream_gateway"  # its password is this client's token
Said = list[float] | list[list[float]]  # of rows: one number each, or one an output


def open_client(settings: Settings, control: Callable[[], ControlStore] | None = None) -> GatewayClient:
    """To the gateway that the settings name, with the token of its connection; with the control store it knows of all others."""
    connection = from_env(CONNECTION, settings.environ)
    token = connection.password if connection else ""
    return GatewayClient(settings.gateway_url, token, control=control, environ=settings.environ)


class GatewayClient:
    """Raises UnreachableError where the gateway does not answer (or answers 503), DataError where it refuses."""

    def __init__(
        self,
        url: str,
        token: str = "",
        timeout: float = 10.0,
        *,
        control: Callable[[], ControlStore] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`control`: where gateways report themselves; without it this client knows of the one at `url` alone. `environ`: what
        names the authorities of its certificate, by default this process's environment."""
        self.url = url.rstrip("/")
        self._control = control
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Loopback and inner networks: a proxy from the environment would only be in the way.
        secure = tls.gateway_context(environ) if self.url.startswith("https:") else False
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False, verify=secure)

    def close(self) -> None:
        self._http.close()

    # -- predictions, features, labels ---------------------------------------------------------------

    def predict(
        self,
        model: str,
        entity: Mapping[str, Any],
        features: Mapping[str, Any],
        *,
        request_id: str = "",
        event_time: str = "",
        explain: bool | int = False,
    ) -> dict[str, Any]:
        """{"id", "score", "label", "version", "arm", "degraded"}; of another kind than binary what its problem says
        (docs/gateway-protocol.md). `event_time`: ISO 8601, by default now. `explain`: with an "explanation", of all features or
        of so many (docs/explanations.md)."""
        body: dict[str, Any] = {"entity": dict(entity), "features": dict(features)}
        more = (("id", request_id), ("event_time", event_time), ("explain", explain))
        body.update({name: value for name, value in more if value})
        return self._post(f"/predict/{model}", body)

    def predict_batch(self, model: str, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Each request as the body of `predict`: {"id"?, "entity", "features", "event_time"?}."""
        answers: list[dict[str, Any]] = self._post(f"/predict/{model}", {"requests": list(requests)})["responses"]
        return answers

    def push(self, model: str, view: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Rows of keys, features and event_timestamp (ISO 8601) to the online store."""
        return self._post(f"/push/{model}/{view}", {"rows": list(rows)})

    def feedback(self, model: str, labels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Labels by request id: {"id", "label", "at"?}; of classes by name."""
        return self._post(f"/feedback/{model}", {"labels": list(labels)})

    # -- status --------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        return self._send("GET", "/status")

    def wait_applied(self, model: str, generation: int, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until every gateway that is alive serves that generation of the model's route, or a later one.

        With a control store, by what gateways report there: see `wait_for_all` for the answer, which names those that are silent
        and were not waited for. Where none is alive, and without a control store, the one at this client's address is asked.
        Raises GateClosed if one refuses the route, UnreachableError at the timeout and where no gateway is alive.
        """
        if self._control is None:
            return self._wait_here(model, generation, timeout)
        answer = wait_for_all(self._control(), model, generation, timeout)
        if answer is not None:
            return answer
        silent = silent_words(list_gateways(self._control()))
        try:  # it may have come up just now, and report itself in a moment
            return self._wait_here(model, generation, timeout)
        except UnreachableError as error:
            known = f"not heard of: {silent}" if silent else "none has reported itself to the control store"
            raise UnreachableError(
                f"No gateway is alive ({known}). {error.what}", seen=error.seen, safe=error.safe, hint=error.hint
            ) from error

    def _wait_here(self, model: str, generation: int, timeout: float) -> dict[str, Any]:
        """The same for the one gateway at this client's address, which is asked itself."""
        until = time.monotonic() + timeout
        while True:
            seen: dict[str, Any] = self.status()["models"].get(model, {})
            if seen.get("generation", 0) >= generation:
                return seen
            if seen.get("wanted", 0) >= generation and seen.get("refused"):
                raise GateClosed(
                    f"The gateway refused route {generation} of {model}: {seen['refused']}.",
                    safe="it goes on serving the route before.",
                    hint="repair or replace the version it names.",
                )
            if time.monotonic() > until:
                raise UnreachableError(
                    f"The gateway at {self.url} has not applied route {generation} of {model} within {timeout:.0f} s.",
                    seen=seen or None,
                    safe="it goes on serving the route before.",
                    hint="check that it reads the same SLIPSTREAM_CONTROL_URL.",
                )
            time.sleep(0.05)

    # -- one version, for the smoke test -------------------------------------------------------------

    def columns(self, model: str, version: int) -> list[dict[str, str]]:
        """The loaded version's inputs: [{"name", "dtype", "datatype"}]."""
        columns: list[dict[str, str]] = self._send("GET", f"/v2/models/{model}/versions/{version}")["parameters"]["columns"]
        return columns

    def infer(self, model: str, version: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Said, float]:
        """What a version says to rows of named inputs (null: unknown), and the microseconds the server spent on them.

        A number a row; where the problem has several outputs, a list of them in their order.
        """
        inputs = tensors_of(self.columns(model, version), rows)
        answer = self._post(f"/v2/models/{model}/versions/{version}/infer", {"inputs": inputs})
        return rows_of(answer["outputs"]), float(answer["parameters"]["latency_us"])

    def explain(self, model: str, version: int, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Why a version says what it says to rows of named inputs (null: unknown): of each {"of", "base", "contributions",
        "method"}, or {"missing"} with why it is not explained (docs/explanations.md)."""
        inputs = tensors_of(self.columns(model, version), rows)
        body = {"inputs": inputs, "parameters": {"explain": True}}
        return explanations_of(self._post(f"/v2/models/{model}/versions/{version}/infer", body)["outputs"])

    # -- HTTP ----------------------------------------------------------------------------------------

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        return self._send("POST", path, json=body)

    def _request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        kwargs["headers"] = tracing.headers()
        try:
            return self._http.request(method, path, **kwargs)
        except httpx.TransportError:
            if method != "GET":
                raise
            return self._http.request(method, path, **kwargs)  # the worker may have died with the question; others live

    def _send(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        try:
            response = self._request(method, path, **kwargs)
        except httpx.TransportError as error:
            raise self._unreachable(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 500:
            raise self._unreachable(f"HTTP {response.status_code}: {response.text[:300]}")
        if response.status_code in (401, 403):
            raise DataError(
                f"The gateway refused {method} {path}: {response.text[:500]}",
                seen=response.status_code,
                safe="nothing was changed.",
                hint=f"make a token with that right (`slipstream token new`) the password of the connection {CONNECTION}.",
            )
        if response.status_code >= 400:
            raise DataError(f"The gateway refused {method} {path}: {response.text[:500]}", seen=response.status_code)
        answer: dict[str, Any] = response.json()
        return answer

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"The gateway at {self.url} did not answer: {why}.",
            safe="nothing was changed by this call, or it may be sent again.",
            hint=self._hint(why),
        )

    def _hint(self, why: str) -> str:
        hint = tls.untrusted(why) or "start it, or set SLIPSTREAM_GATEWAY_URL to its address; the task is retried."
        if self.url.startswith("https:") and "disconnected" in why:  # so ends a handshake for want of a certificate, too
            names = f"{GATEWAY_CLIENT_CERT.name} and {GATEWAY_CLIENT_KEY.name}"
            hint += f" If it asks callers for a certificate: name one that it takes in {names}."
        return hint


def tensors_of(columns: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of named inputs (null: unknown) as the tensors of a question, one a column."""
    return [
        {
            "name": column["name"],
            "shape": [len(rows), length] if (length := length_of(column["dtype"])) else [len(rows)],
            "datatype": column["datatype"],
            "data": [_sent(row.get(column["name"]), length) for row in rows],
        }
        for column in columns
    ]


def rows_of(outputs: Sequence[Mapping[str, Any]]) -> Said:
    """Rows of what the tensors of an answer hold: one of [n] or [n, k], or several of [n]."""
    first = outputs[0]
    if len(outputs) > 1:
        return [list(row) for row in zip(*(tensor["data"] for tensor in outputs), strict=True)]
    if len(first["shape"]) == 1:
        return list(first["data"])
    width, data = first["shape"][1], first["data"]
    return [data[start : start + width] for start in range(0, len(data), width)]


def explanations_of(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of what the tensors of explanations hold, as an answer of `predict` has them."""
    found = {output["name"]: output for output in outputs}
    values, about = found[CONTRIBUTIONS]["data"], found[CONTRIBUTIONS]["parameters"]
    names, told = about["features"].split(","), []
    for place, (of, base, missing) in enumerate(zip(*(found[name]["data"] for name in (OF, BASE, MISSING)), strict=True)):
        if missing:
            told.append({"missing": missing})
            continue
        own = dict(zip(names, values[place * len(names) : (place + 1) * len(names)], strict=True))
        told.append({"of": of, "base": base, "contributions": own, "method": about["method"]})
    return told


def _sent(value: Any, length: int) -> Any:
    """A value as a tensor's data; of a vector that is unknown every number is."""
    return [None] * length if length and value is None else value
