"""A changed definition is a new version; a changed layout is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import DataError
from include.core.spec import Feature
from include.model_contract.view_version import one_version, pinned, tokens, version, versions
from tests.support.shop import HERE, SPEC

VIEW = SPEC.features.views[0]
SQL = "SELECT customer, hour AS event_timestamp, count(*) AS orders FROM orders GROUP BY ALL"


def signature(**views: str) -> dict[str, Any]:
    return {"inputs": [{"name": f.name, "dtype": f.dtype} for f in SPEC.features.inputs], "views": views}


def test_the_same_definition_has_the_same_version_whatever_its_layout() -> None:
    again = "SELECT customer,hour AS event_timestamp,\n  count(*) AS orders -- of the hour\nFROM orders /* all */ GROUP BY ALL"
    assert version(VIEW, again) == version(VIEW, SQL)
    described = VIEW.model_copy(update={"description": "orders of an hour"})
    defaulted = VIEW.model_copy(update={"features": (VIEW.features[0].model_copy(update={"default": 1}), *VIEW.features[1:])})
    assert {version(view, SQL) for view in (described, defaulted)} == {version(VIEW, SQL)}


@pytest.mark.parametrize(
    "changes",
    [
        {"ttl": timedelta(hours=1)},
        {"keys": ("customer", "shop")},
        {"features": VIEW.features[:2]},
        {"features": (VIEW.features[0], Feature(name="mean_price", dtype="int"), VIEW.features[2])},
        {"created": "arrived_at"},
    ],
)
def test_a_changed_schema_is_another_version(changes: dict[str, Any]) -> None:
    assert version(VIEW.model_copy(update=changes), SQL) != version(VIEW, SQL)


def test_changed_sql_is_another_version_down_to_the_spaces_in_a_text() -> None:
    texts = ["SELECT 'a b'", "SELECT 'a  b'", "SELECT 'a b' || ''", "SELECT 'é', 'a b'", "SELECT 'é', 'a  b'"]
    assert len({version(VIEW, text) for text in texts}) == len(texts)
    assert tokens("SELECT  'é  x', b -- c") == ["SELECT", "'é  x'", ",", "b"]


def test_the_versions_of_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    before = versions(SPEC.features)
    assert list(before) == ["customer"]
    monkeypatch.setattr(f"{HERE}.views", lambda day: {"customer": SQL})
    assert versions(SPEC.features) != before
    monkeypatch.setattr(f"{HERE}.views", lambda day: {})
    with pytest.raises(DataError, match="gives no SQL for view"):
        versions(SPEC.features)


def test_days_of_two_versions_are_refused_with_their_range() -> None:
    days = {"2013-01-01": {"customer": "aa"}, "2013-01-02": {"customer": "aa"}, "2013-01-03": {"customer": "bb"}}
    with pytest.raises(DataError, match="more than one version of") as caught:
        one_version(days)
    assert caught.value.seen == {"customer": {"aa": "2013-01-01 to 2013-01-02 (2 days)", "bb": "2013-01-03"}}
    assert one_version({**days, "2013-01-03": {}}) == {"customer": "aa"}


def test_a_signature_without_versions_pins_nothing() -> None:
    assert pinned({"inputs": []}) == {}
    assert pinned(signature(customer="aa")) == {"customer": "aa"}
