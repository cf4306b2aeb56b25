from __future__ import annotations

import json
from typing import Any

import pytest

from include.core.spec import Binary
from include.serving.http.request_error import RequestError
from include.serving.recommendation.request import ListContract, entity_of, seen_items
from tests.support.films import SPEC


def _one(**body: Any) -> Any:
    return ListContract(SPEC).one(json.dumps({"entity": {"guest": "ann"}, **body}).encode())


def test_a_request_names_who_asks_and_no_item() -> None:
    item = _one(id="q", seen=["alien", 7], at=3)
    assert entity_of(item) == {"guest": "ann"}
    assert (item.id, seen_items(item), item.at, item.features.new) == ("q", ["alien", "7"], 3, "")


def test_a_key_may_be_a_number_and_what_may_be_left_out_is() -> None:
    item = _one(entity={"guest": 5})
    assert (entity_of(item), seen_items(item), item.at) == ({"guest": "5"}, [], None)


WRONG = {
    "entity": {"entity": {}},
    "entity.film": {"entity": {"guest": "ann", "film": "alien"}},
    "at": {"at": 0},
    "seen": {"seen": "alien"},
    "seen[0]": {"seen": [""]},
    "id": {"id": "x" * 151},
    "colour": {"colour": "red"},
    "event_time": {"event_time": "yesterday"},
}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_wrong_is_named(field: str) -> None:
    with pytest.raises(RequestError) as refused:
        _one(**WRONG[field])
    assert refused.value.status == 400
    assert field.partition("[")[0] in refused.value.body["field"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"entity": {"guest": "\\ud800"}}', b'{"requests": []}'])
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        ListContract(SPEC).one(body)
    assert refused.value.status == 400


def test_a_model_that_ranks_nothing_recommends_nothing() -> None:
    with pytest.raises(RequestError, match="recommends nothing") as refused:
        ListContract(SPEC.model_copy(update={"problem": Binary()}))
    assert refused.value.status == 404
