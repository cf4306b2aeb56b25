"""GET /openapi.json and GET /: what a caller can ask, kept small and true (a test walks every path).

The document says what each kind of problem answers once a model of another kind than a plain binary one is served. It names no
model and no class: it is open to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from include.core.html import document
from include.serving.http.routes import BY_PATTERN, PUBLIC
from include.serving.prediction.explanation_names import OUTPUTS
from include.serving.prediction.tensor import BYTES, DTYPES

_JSON = "application/json"


def _operation(summary: str, *, body: str = "", errors: tuple[int, ...] = ()) -> dict[str, Any]:
    refusal = {"description": "refused", "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Refusal"}}}}
    responses: dict[str, Any] = {"200": {"description": "OK"}, **{str(code): refusal for code in sorted({*_HEAD, *errors})}}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if body:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{body}"}}}}
    return operation


def _described(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    """With the names in the path, and the right that the route asks for."""
    right = BY_PATTERN[path].right
    if right != PUBLIC:
        security = {"security": [{"token": []}], "description": f"Needs a token with the right `{right}` (or `admin`)."}
        operations = {verb: {**operation, **security} for verb, operation in operations.items()}
    return {**operations, "parameters": _parameters(path)}


def _parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


_HEAD = (400, 401, 403, 404, 405, 408, 413, 414, 415, 417, 431, 503)  # what a head alone may bring upon itself
_BAD = (429,)
_INFER = _operation("Score with one version (JSON or binary tensors)", body="Infer", errors=(*_BAD, 422))
_PATHS: dict[str, dict[str, Any]] = {
    "/predict/{model}": {"post": _operation("Score an entity, or a batch of them", body="Predict", errors=_BAD)},
    "/predictions/{model}/{id}": {"get": _operation("The answer to a request with ?async; 202 while there is none")},
    "/recommend/{model}": {"post": _operation("The items that rank best for an entity", body="Recommend", errors=_BAD)},
    "/feedback/{model}": {"post": _operation("Labels by request id", body="Feedback", errors=_BAD)},
    "/push/{model}/{view}": {"post": _operation("Feature rows for the online store", body="Push", errors=_BAD)},
    "/v2": {"get": _operation("Open Inference Protocol: the server")},
    "/v2/health/live": {"get": _operation("The process answers")},
    "/v2/health/ready": {"get": _operation("Every routed model is loaded and warm", errors=(503,))},
    "/v2/models": {"get": _operation("Names of the models served here")},
    "/v2/models/{model}": {"get": _operation("A model's inputs, output and versions", errors=(404,))},
    "/v2/models/{model}/ready": {"get": _operation("The model is loaded", errors=(404,))},
    "/v2/models/{model}/infer": {"post": _INFER},
    "/v2/models/{model}/versions/{version}": {"get": _operation("One version's inputs and output", errors=(404,))},
    "/v2/models/{model}/versions/{version}/ready": {"get": _operation("The version is loaded", errors=(404,))},
    "/v2/models/{model}/versions/{version}/infer": {"post": _INFER},
    "/status": {"get": _operation("Applied routes, loaded versions, refusals")},
    "/metrics": {"get": _operation("Prometheus text")},
    "/openapi.json": {"get": _operation("This document")},
    "/": {"get": _operation("A page for people")},
}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


_TEXT, _MAP = {"type": "string"}, {"type": "object"}
_ITEM = _object(
    ("entity", "features"), id=_TEXT, entity=_MAP, features=_MAP, event_time={"type": "string", "format": "date-time"}
)
_LABEL = _object(("id", "label"), id=_TEXT, label={"type": "number"}, at={"type": "string", "format": "date-time"}, metric=_TEXT)
_LIST_OF_MAPS = {"type": "array", "items": _MAP}
_TENSOR = _object(
    ("name", "shape", "datatype"),
    name=_TEXT,
    shape={"type": "array", "items": {"type": "integer", "minimum": 0}},
    datatype={"enum": [*DTYPES, BYTES]},
    data={"type": "array"},
    parameters=_MAP,
)
_OUTPUT = _object(("name",), name={"enum": ["score"]}, parameters=_MAP)
_SCHEMAS = {
    "Predict": {"oneOf": [_ITEM, _object(("requests",), requests={"type": "array", "items": _ITEM})]},
    "Recommend": _object(
        ("entity",),
        id=_TEXT,
        entity=_MAP,
        features=_MAP,
        event_time={"type": "string", "format": "date-time"},
        seen={"type": "array", "items": {"type": ["string", "integer"]}},
        at={"type": "integer", "minimum": 1},
    ),
    "Feedback": {"oneOf": [_LABEL, _object(("labels",), labels={"type": "array", "items": _LABEL})]},
    "Push": _object(("rows",), rows=_LIST_OF_MAPS),
    "Infer": _object(
        ("inputs",),
        id=_TEXT,
        inputs={"type": "array", "items": _TENSOR},
        outputs={"type": "array", "items": _OUTPUT},
        parameters=_MAP,
    ),
    "Refusal": _object(("error",), error=_TEXT, field=_TEXT, value={}, allowed={}),
}

_DEGRADED = {"type": "array", "items": _TEXT}
_BY = {"version": {"type": ["integer", "null"]}, "arm": _TEXT, "degraded": _DEGRADED}
_NUMBER, _PLACE = {"type": "number"}, {"type": "integer", "minimum": 1}
# What a row's answer says beside id, version, arm and what is degraded, by the kind of problem: required, then optional.
_SAID: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "binary": ({"score": _NUMBER, "label": {"enum": [0, 1]}}, {}),
    "regression": ({"value": _NUMBER}, {"low": _NUMBER, "high": _NUMBER}),
    "multiclass": ({"class": _TEXT, "probabilities": {"type": "object", "additionalProperties": _NUMBER}}, {}),
    "ranking": ({"score": _NUMBER, "place": _PLACE}, {}),
}
_CLASS = {"type": ["string", "integer"]}
_LABELS = {"binary": _NUMBER, "regression": _NUMBER, "multiclass": _CLASS, "ranking": _NUMBER}
_TENSORS = {"binary": ["score"], "regression": ["value", "low", "high"], "multiclass": ["probabilities"], "ranking": ["score"]}


def _answer_of(kind: str) -> dict[str, Any]:
    said, more = _SAID[kind]
    return _object(("id", *said, *_BY), id=_TEXT, **said, **more, **_BY)


def _with(schema: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], **properties}}


def _by_kind(kinds: Sequence[str]) -> dict[str, Any]:
    """The document of a gateway that serves models of these kinds."""
    answers = {f"Answer_{kind}": _answer_of(kind) for kind in kinds}
    one = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in answers]}
    batch = _object(("responses",), responses={"type": "array", "items": one})
    labels = [_LABELS[kind] for kind in kinds]
    label = _with(_LABEL, label={"anyOf": [each for each in (_NUMBER, _CLASS) if each in labels]})
    tensors = list(dict.fromkeys(name for kind in kinds for name in _TENSORS[kind]))
    output = _object(("name",), name={"enum": tensors}, parameters=_MAP)
    schemas = {
        **_SCHEMAS,
        "Feedback": {"oneOf": [label, _object(("labels",), labels={"type": "array", "items": label})]},
        "Infer": _with(_SCHEMAS["Infer"], outputs={"type": "array", "items": output}),
        **answers,
        "Answer": {"oneOf": [one, batch]},
    }
    predict = DOCUMENT["paths"]["/predict/{model}"]
    responses = {**predict["post"]["responses"], "200": _ANSWERED}
    paths = {**DOCUMENT["paths"], "/predict/{model}": {**predict, "post": {**predict["post"], "responses": responses}}}
    return {**DOCUMENT, "paths": paths, "components": {**DOCUMENT["components"], "schemas": schemas}}


_ANSWERED = {"description": "OK", "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Answer"}}}}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Slipstream gateway", "version": "1"},
    "paths": {path: _described(path, operations) for path, operations in _PATHS.items()},
    "components": {"schemas": _SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
}
OPENAPI = msgspec.json.encode(DOCUMENT)


@cache
def openapi(kinds: frozenset[str], explains: bool = False) -> bytes:
    """The document, as JSON. `kinds`: of the problems of the models that are served, as `problem.kind` in their specs.

    `explains`: whether answers of one of them are explained.
    """
    if kinds <= {"binary"} and not explains:
        return OPENAPI
    document = _by_kind([kind for kind in _SAID if kind in kinds])
    return msgspec.json.encode(_explaining(document) if explains else document)


_EXPLANATION = _object(
    (), of=_TEXT, base=_NUMBER, contributions={"type": "object", "additionalProperties": _NUMBER}, rest=_NUMBER,
    method={"enum": ["exact", "permutations"]}, missing=_TEXT, why=_TEXT,
)  # fmt: skip


def _explaining(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what explanations add to questions and answers."""
    item = _with(_ITEM, explain={"type": ["boolean", "integer"]})
    schemas = {
        name: _with(schema, explanation=_EXPLANATION) if name.startswith("Answer_") else schema
        for name, schema in document["components"]["schemas"].items()
    }
    schemas["Predict"] = {"oneOf": [item, _object(("requests",), requests={"type": "array", "items": item})]}
    infer = schemas["Infer"]["properties"]
    named = [*infer["outputs"]["items"]["properties"]["name"]["enum"], *OUTPUTS]
    output = _object(("name",), name={"enum": named}, parameters=_MAP)
    wish = {"type": "object", "properties": {"explain": {"type": ["boolean", "null"]}}}
    schemas["Infer"] = _with(schemas["Infer"], outputs={"type": "array", "items": output}, parameters=wish)
    return {**document, "components": {**document["components"], "schemas": schemas}}


# What came from /status is put on the page as text, never as HTML.
_SCRIPT = """
const cell = value => Object.assign(document.createElement("td"), { textContent: value ?? "–" });
const row = values => { const made = document.createElement("tr"); made.append(...values.map(cell)); return made; };
const share = route => route.experiment ? route.experiment.treated / 100 : route.weight;
const cells = (name, { route, versions, ready, refused }) => [name, ready ? "ready" : "not ready", route.champion,
  route.challenger ? `${route.challenger} (${share(route)} %)` : "–", route.shadow, Object.keys(versions).join(", "),
  Object.entries(refused).map(([version, why]) => `version ${version}: ${why}`).join("; ") || "–"];
const look = () => fetch("status").then(answer => answer.json())
  .then(now => Object.entries(now.models).map(([name, model]) => row(cells(name, model))))
  .catch(error => [row([`no status: ${error.message}`])])
  .then(rows => document.querySelector("#now").replaceChildren(...(rows.length ? rows : [row(["no model has a route yet"])])));
document.querySelector("#here").textContent = location.origin;
look(); setInterval(look, 5000);
"""
_NOW = ("model", "", "champion", "challenger", "shadow", "loaded versions", "refused versions")
_EXAMPLE = """curl -s <span id=here>http://127.0.0.1:8500</span>/predict/MODEL -H 'Content-Type: application/json' \\
  -d '{"entity": {...}, "features": {...}}'"""


def _page() -> bytes:
    rows = "".join(
        f"<tr><td>{verb.upper()}</td><td><code>{path}</code></td><td>{operation['summary']}</td></tr>"
        for path, operations in _PATHS.items()
        for verb, operation in operations.items()
    )
    now = f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in _NOW)}</tr></thead><tbody id=now></tbody></table>"
    body = (
        "<h1>Slipstream gateway</h1><p class=dim>Champion, challenger and shadow answer here. For machines: "
        '<a href="status">status</a>, <a href="metrics">metrics</a>, <a href="openapi.json">OpenAPI</a>.</p>'
        f"<h2>Now</h2><div class=scroll>{now}</div><h2>Ask</h2><pre>{_EXAMPLE}</pre>"
        f"<h2>Everything it answers</h2><div class=scroll><table>{rows}</table></div><script>{_SCRIPT}</script>"
    )
    return document("Slipstream gateway", body, '<link rel="icon" href="data:,">').encode()


PAGE = _page()
