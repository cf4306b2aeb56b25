"""The document says what the kinds of problem answer that are served, and names no model and no class."""

from __future__ import annotations

import json

from include.serving.openapi import OPENAPI, openapi


def test_where_only_binary_models_are_served_the_document_is_as_it_was() -> None:
    assert openapi(frozenset()) == openapi(frozenset({"binary"})) == OPENAPI


def test_each_kind_that_is_served_has_its_answer() -> None:
    schemas = json.loads(openapi(frozenset({"binary", "multiclass", "ranking", "regression"})))["components"]["schemas"]
    required = {name: schemas[f"Answer_{name}"]["required"] for name in ("binary", "regression", "multiclass", "ranking")}
    assert required == {
        "binary": ["id", "score", "label", "version", "arm", "degraded"],
        "regression": ["id", "value", "version", "arm", "degraded"],
        "multiclass": ["id", "class", "probabilities", "version", "arm", "degraded"],
        "ranking": ["id", "score", "place", "version", "arm", "degraded"],
    }
    label = schemas["Feedback"]["oneOf"][0]["properties"]["label"]
    assert label == {"anyOf": [{"type": "number"}, {"type": ["string", "integer"]}]}
    outputs = schemas["Infer"]["properties"]["outputs"]["items"]["properties"]["name"]["enum"]
    assert outputs == ["score", "value", "low", "high", "probabilities"]


def test_the_label_of_classes_alone_is_no_number_with_a_fraction() -> None:
    document = json.loads(openapi(frozenset({"multiclass"})))
    label = document["components"]["schemas"]["Feedback"]["oneOf"][0]["properties"]["label"]
    assert label == {"anyOf": [{"type": ["string", "integer"]}]}
    answered = document["paths"]["/predict/{model}"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"$ref": "#/components/schemas/Answer"}


def test_explanations_are_described_where_a_model_gives_them() -> None:
    plain, explained = (
        json.loads(openapi(frozenset({"binary"}), explains))["components"]["schemas"] for explains in (False, True)
    )
    assert "explain" not in plain["Predict"]["oneOf"][0]["properties"]
    assert explained["Predict"]["oneOf"][0]["properties"]["explain"] == {"type": ["boolean", "integer"]}
    assert set(explained["Answer_binary"]["properties"]["explanation"]["properties"]) >= {
        "base",
        "contributions",
        "rest",
        "missing",
    }
    assert plain["Infer"]["properties"]["parameters"] == {"type": "object"}
    assert explained["Infer"]["properties"]["parameters"]["properties"] == {"explain": {"type": ["boolean", "null"]}}
    named = explained["Infer"]["properties"]["outputs"]["items"]["properties"]["name"]["enum"]
    assert named == [
        "score", "explanation.contributions", "explanation.base", "explanation.of", "explanation.missing",
    ]  # fmt: skip
