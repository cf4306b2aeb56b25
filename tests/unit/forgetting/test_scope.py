"""Whom a request is about, and where: a key of nothing is refused with those that there are."""

from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.spec import Data, Feature, Features, FeatureSet, ModelSpec, View
from include.forgetting.scope import given_keys, keys_of, scope_of, unsaid
from tests.unit.operators.models.shop.spec import SPEC


def feature_set(name: str, key: str) -> FeatureSet:
    view = View(name=f"{name}_view", keys=(key,), features=(Feature(name=f"{name}_x"),))
    features = Features(build="m:b", views=(view,))
    return FeatureSet(
        name=name,
        owner="o",
        description="d",
        data=Data(sources=("s",), first="2013-01-01"),
        features=features,
        expectations="m:E",
    )  # type: ignore[arg-type]


def reading(name: str, *sets: str) -> ModelSpec:
    return SPEC.model_copy(update={"name": name, "features": SPEC.features.model_copy(update={"sets": sets})})


def test_the_keys_that_there_are_stand_in_the_error() -> None:
    with pytest.raises(SpecError, match="client is a key of no entity of shop") as refused:
        scope_of(SPEC, [], {"client": "ann"})
    assert "customer" in refused.value.hint
    assert keys_of(feature_set("buyers", "account")) == ("account",)


def test_whatever_shares_a_feature_set_is_in_it_directly_or_by_others() -> None:
    buyers, shelves, lonely = (feature_set(name, "customer") for name in ("buyers", "shelves", "lonely"))
    one, two, three = reading("one", "buyers"), reading("two", "buyers.view", "shelves"), reading("three", "lonely")
    everybody = [buyers, shelves, lonely, one, two, three, SPEC]
    assert scope_of(buyers, everybody, {"customer": "a"}).names == {"buyers", "shelves", "one", "two"}
    assert scope_of(one, everybody, {"customer": "a"}).names == {"buyers", "shelves", "one", "two"}
    assert scope_of(three, everybody, {"customer": "a"}).names == {"three", "lonely"}
    assert scope_of(SPEC, everybody, {"customer": "a"}).names == {"shop"}


def test_a_value_is_text_with_all_that_is_in_it() -> None:
    assert given_keys(["customer= a=b ", "account=007"]) == {"customer": " a=b ", "account": "007"}
    for wrong in (["customer"], ["=x"], ["customer="], ["customer=a", "customer=b"]):
        with pytest.raises(SpecError):
            given_keys(wrong)


def test_a_source_without_a_column_that_says_whose_its_rows_are() -> None:
    columns = {"orders": ["id", "customer"], "returns": ["ID"], "weather": ["temp"]}
    assert unsaid(SPEC, columns, {"customer": "a"}) == ["weather"]
    assert unsaid(SPEC, columns, {"customer": "a", "account": "b"}) == ["weather"], "orders name their request"
