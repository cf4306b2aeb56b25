"""schemathesis against the gateway's own OpenAPI document: whatever is sent, no answer is a 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from include.routing.route import Route
from include.serving.openapi import DOCUMENT
from tests.support.effort import effort
from tests.support.gateway_world import MODEL, TOKEN, World, constant
from tests.support.later import Later

schemathesis = Later("schemathesis")
EXAMPLES = effort(8, 20)  # an operation


def document() -> dict[str, Any]:
    """The document with names that exist beside those that do not: else nearly everything is a 404."""
    known = {"model": [MODEL, "nobody"], "version": ["1", "77", "x"], "view": ["weather", "climate"], "id": ["r1", "unknown"]}
    paths = {
        path: {
            **operations,
            "parameters": [
                {**each, "schema": {"anyOf": [{"enum": known[each["name"]]}, {"type": "string"}]}}
                for each in operations["parameters"]
            ],
        }
        for path, operations in DOCUMENT["paths"].items()
    }
    return {**DOCUMENT, "paths": paths}


METHODS = ("get", "post", "put", "delete", "patch")
LABELS = [
    f"{method.upper()} {path}" for path, operations in DOCUMENT["paths"].items() for method in operations if method in METHODS
]


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    """By its label, each operation that the library finds in the document."""
    found = schemathesis.openapi.from_dict(document()).get_all_operations()
    return {operation.label: operation for operation in (each.ok() for each in found)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("gateway"))
    world.register(1, constant(0.1))
    world.route(Route(champion=1))
    world.start().close()
    yield world
    world.stop()


# One test an operation, with an id of its own: those of `schema.parametrize()` share one, and of tests that do
# pytest-xdist runs the first. The library is imported where a test needs it: each process of the tests collects this file.
@pytest.mark.parametrize("label", LABELS)
def test_no_request_is_answered_with_a_server_error(label: str, operations: dict[str, Any], world: World) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import status_code_conformance

    @given(case=operations[label].as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def answered(case: Any) -> None:
        response = case.call_and_validate(  # raises where a check fails
            base_url=world.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            checks=[not_a_server_error, status_code_conformance],
        )
        assert response.status_code < 500

    answered()


def test_every_operation_that_the_library_finds_is_tested(operations: dict[str, Any]) -> None:
    assert sorted(operations) == sorted(LABELS)
