from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from include.core.spec import Binary, Feature, Features, ModelSpec, MultiClass, Ranking, Regression
from include.problems.of import problem_of
from include.serving.http.request_error import RequestError
from include.serving.prediction.ingest import decode_labels, decode_rows
from include.serving.prediction.request_types import Contract

BINARY = problem_of(Binary())


def encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_features_with_defaults_may_be_left_out(spec: ModelSpec) -> None:
    items, batch = Contract(spec).decode(encode({"entity": {"place": "oslo"}}))
    assert not batch
    assert (items[0].features.size, items[0].features.hour) == (3.0, 0)


def test_a_feature_with_a_default_may_come_before_one_without(spec: ModelSpec) -> None:
    asked = (Feature(name="size", default=3.0), Feature(name="colour", dtype="category"))
    changed = spec.model_copy(update={"features": spec.features.model_copy(update={"request": asked})})
    (item,), _ = Contract(changed).decode(encode({"entity": {"place": "oslo"}, "features": {"colour": "red"}}))
    assert list(msgspec.structs.asdict(item.features).items()) == [("size", 3.0), ("colour", "red")]


def test_null_says_unknown(spec: ModelSpec) -> None:
    (item,), _ = Contract(spec).decode(encode({"entity": {"place": 7}, "features": {"size": None}}))
    assert item.features.size is None
    assert item.entity.place == "7"


def test_a_batch_is_bounded(spec: ModelSpec) -> None:
    good = {"entity": {"place": "a"}}
    items, batch = Contract(spec).decode(encode({"requests": [good] * 1000}))
    assert batch
    assert len(items) == 1000
    with pytest.raises(RequestError) as refused:
        Contract(spec).decode(encode({"requests": [good] * (1000 + 1)}))
    assert refused.value.body["allowed"] == f"1 to {1000}"


@pytest.mark.parametrize("hour", [1.5, True, "1", 2**60])
def test_what_is_no_whole_number_is_refused_for_an_int(spec: ModelSpec, hour: Any) -> None:
    with pytest.raises(RequestError) as refused:
        Contract(spec).decode(encode({"entity": {"place": "a"}, "features": {"hour": hour}}))
    assert refused.value.body["field"] == "features.hour"
    assert refused.value.body["value"] == hour
    assert refused.value.body["allowed"] == "a whole number, or null if unknown"


def test_pushed_rows_become_the_views_table_in_utc(spec: ModelSpec) -> None:
    rows = [
        {"place": "a", "heat": 1.5, "event_timestamp": "2020-01-01T02:00:00+02:00"},
        {"place": "b", "event_timestamp": "2020-01-01"},
    ]
    table = decode_rows(spec, spec.features.views[0], encode({"rows": [rows[0]]}))
    assert table.to_pylist()[0]["event_timestamp"].isoformat() == "2020-01-01T00:00:00"
    for wrong in ({"rows": rows}, {"rows": []}, {"rows": [{**rows[0], "wet": 1}]}, {"rows": [{**rows[0], "heat": "hot"}]}, {}):
        with pytest.raises(RequestError):
            decode_rows(spec, spec.features.views[0], encode(wrong))


def test_labels_are_numbers_by_request_id() -> None:
    assert [
        r.label for r in decode_labels(encode({"labels": [{"id": "a", "label": True}, {"id": "b", "label": 0}]}), BINARY)
    ] == [
        1.0,
        0.0,
    ]
    for wrong in ({"id": "a"}, {"id": "", "label": 1}, {"labels": []}, {"id": "a", "label": None}, []):
        with pytest.raises(RequestError):
            decode_labels(encode(wrong), BINARY)


STARS = problem_of(MultiClass(classes=("1", "2", "none")))
DELAY = problem_of(Regression(scale=5, minimum=-60))
RELEVANCE = problem_of(Ranking(query="user", item="film"))


def test_a_label_is_read_by_the_kind_of_problem() -> None:
    for problem, given, label, name in (
        (BINARY, 1, 1.0, ""),
        (DELAY, -12.5, -12.5, ""),
        (RELEVANCE, 3, 3.0, ""),
        (STARS, "none", None, "none"),
        (STARS, 2, None, "2"),
    ):
        (record,) = decode_labels(encode({"id": "a", "label": given}), problem)
        assert (record.kind, record.label, record.label_class) == ("label", label, name)


def test_a_label_that_is_none_of_the_problems_is_refused_with_what_is_allowed() -> None:
    stars = ["1", "2", "none"]
    for problem, given, allowed in (
        (BINARY, 0.5, "0 or 1"),
        (DELAY, -61, "a finite number of at least -60"),
        (DELAY, True, "a finite number of at least -60"),
        (RELEVANCE, -1, "a relevance of 0 or more"),
        (STARS, "3", stars),
        (STARS, 3, stars),
        (STARS, 1.5, stars),
        (STARS, True, stars),
    ):
        with pytest.raises(RequestError) as refused:
            decode_labels(encode({"labels": [{"id": "a", "label": given}]}), problem)
        assert (refused.value.status, refused.value.body["field"]) == (400, "labels[0].label")
        assert refused.value.body["allowed"] == allowed


def test_a_label_of_another_type_names_what_a_label_is() -> None:
    for problem, given, words in ((DELAY, "late", "a label being a number"), (STARS, None, "a label being the name of a class")):
        with pytest.raises(RequestError) as refused:
            decode_labels(encode({"id": "a", "label": given}), problem)
        assert str(refused.value.body["allowed"]).endswith(words)


def test_an_outcome_is_a_number_whatever_the_kind() -> None:
    for problem in (BINARY, DELAY, STARS, RELEVANCE):
        (record,) = decode_labels(encode({"id": "a", "label": 12.5, "metric": "sales"}), problem)
        assert (record.kind, record.label, record.metric, record.label_class) == ("outcome", 12.5, "sales", "")
    with pytest.raises(RequestError, match="outcome"):
        decode_labels(encode({"id": "a", "label": "much", "metric": "sales"}), STARS)


INPUTS = (
    Feature(name="member", dtype="bool"),
    Feature(name="review", dtype="text"),
    Feature(name="embedding", dtype="vector[3]", default=(0.0, 0.0, 1.0)),
)


def _of_every_type(**features: Any) -> bytes:
    whole = {"member": True, "review": "fine", "embedding": [1, 2.5, -3], **features}
    return json.dumps({"features": whole}).encode()


@pytest.fixture(scope="module")
def typed() -> Contract:
    return Contract(ModelSpec(name="m", owner="o", description="d", label="y", features=Features(request=INPUTS)))


def test_truths_texts_and_vectors_are_decoded(typed: Contract) -> None:
    (item,), _ = typed.decode(_of_every_type())
    assert (item.features.member, item.features.review, item.features.embedding) == (True, "fine", [1.0, 2.5, -3.0])
    (item,), _ = typed.decode(_of_every_type(member=None, review=None, embedding=None))
    assert (item.features.member, item.features.review, item.features.embedding) == (None, None, None)
    (item,), _ = typed.decode(b'{"features": {"member": false, "review": ""}}')
    assert item.features.embedding == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("features", "field", "allowed"),
    [
        ({"member": 1}, "features.member", "true, false, or null if unknown"),
        ({"member": "true"}, "features.member", "true, false, or null if unknown"),
        ({"review": 3}, "features.review", "text of at most 65536 bytes of UTF-8, or null"),
        ({"review": "x" * 1_000_000}, "features.review", "text of at most 65536 bytes of UTF-8, or null"),
        ({"review": "\N{SNOWMAN}" * 30_000}, "features.review", "text of at most 65536 bytes of UTF-8, or null"),
        ({"embedding": [1, 2]}, "features.embedding", "a list of 3 finite numbers, or null if unknown"),
        ({"embedding": [1, 2, 3, 4]}, "features.embedding", "a list of 3 finite numbers, or null if unknown"),
        ({"embedding": 1}, "features.embedding", "a list of 3 finite numbers, or null if unknown"),
    ],
)
def test_a_value_of_another_type_or_size_is_refused_with_what_is_allowed(
    typed: Contract, features: dict[str, Any], field: str, allowed: str
) -> None:
    with pytest.raises(RequestError) as caught:
        typed.decode(_of_every_type(**features))
    body = caught.value.body
    assert (caught.value.status, body["field"], body["allowed"]) == (400, field, allowed)


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'"abc \udfff def"', b'"\xed\xa0\x80"', b'"\xff"'])
def test_half_a_surrogate_pair_is_refused(typed: Contract, text: bytes) -> None:
    body = b'{"features": {"member": null, "review": ' + text + b"}}"
    with pytest.raises(RequestError) as caught:
        typed.decode(body)
    assert caught.value.status == 400


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e39", b"1e999", b"null", b'"1"'])
def test_a_vector_of_what_is_no_finite_number_is_refused(typed: Contract, number: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        typed.decode(b'{"features": {"member": null, "review": "", "embedding": [1, 2, ' + number + b"]}}")
    assert caught.value.status == 400
