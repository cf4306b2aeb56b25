"""Bad input gets a clear error, and nothing is lost: the day that is published stays as it was."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from include.core.catalog import load_spec
from include.core.errors import DataError, NotReadyError, PermanentError, SlipstreamError, SpecError, TransientError
from include.core.request import Ref
from include.core.spec import ModelSpec, Training
from include.data.published import published as there
from operators.validation import ValidateDataOperator
from tests.support.error_message import assert_says
from tests.support.nursery import DAYS
from tests.support.operator_runs import MODEL, Life, Run, day
from tests.support.wired import PublishFeaturesOperator, TrainModelOperator
from tests.unit.operators.models.shop.orders import orders_of

Damage = Callable[[Life], None]


def raw(life: Life, number: int = DAYS) -> Path:
    return Path(life.services.storage.uri(life.raw.path("orders", day(number))))


def gone(life: Life) -> None:
    raw(life).unlink()


def empty(life: Life) -> None:
    raw(life).write_bytes(b"")


def truncated(life: Life) -> None:
    raw(life).write_bytes(raw(life).read_bytes()[:1000])


def no_rows(life: Life) -> None:
    life.put("orders", day(DAYS), orders_of(day(DAYS)).slice(0, 0))


def column_gone(life: Life) -> None:
    life.put("orders", day(DAYS), orders_of(day(DAYS)).drop_columns("price"))


def type_changed(life: Life) -> None:
    table = orders_of(day(DAYS))
    place = table.column_names.index("price")
    life.put("orders", day(DAYS), table.set_column(place, "price", table["price"].cast(pa.string())))


BAD: list[tuple[Damage, type[SlipstreamError], tuple[str, ...]]] = [
    (gone, NotReadyError, ("The orders partition of 2013-01-04 has not arrived", "date=2013-01-04", "Next: land it there")),
    (empty, DataError, ("The orders partition of 2013-01-04 is empty (0 bytes)", "Safe: the published partition stays")),
    (truncated, DataError, ("is not whole Parquet", "(1000 bytes)", "Safe: the published partition stays", "Next: write ")),
    (no_rows, DataError, ("The orders partition of 2013-01-04 has no rows", "Safe: ", "Next: land it again")),
    (column_gone, DataError, ("The schema of orders of 2013-01-04 changed", "has no column 'price'", "Safe: ", "Next: land")),
    (type_changed, DataError, ("has column 'price' as VARCHAR", "expected ", "Safe: nothing was read into features")),
]


def standing(life: Life) -> Ref:
    return there(life.services.control, MODEL, day(DAYS), day(DAYS))[day(DAYS)]


@pytest.mark.parametrize(("damage", "kind", "words"), BAD, ids=[damage.__name__ for damage, _, _ in BAD])
def test_a_bad_partition_is_named_and_the_published_day_stays(
    published: Life, damage: Damage, kind: type[SlipstreamError], words: tuple[str, ...]
) -> None:
    before = standing(published)
    damage(published)
    with pytest.raises(kind) as refused:
        published.publish(day(DAYS))
    assert not [word for word in words if word not in str(refused.value)], str(refused.value)
    assert isinstance(refused.value, TransientError if damage is gone else PermanentError)
    assert standing(published) == before
    assert published.services.ledger.verify(published.services.ledger.resolve(before)) == []
    published.land(day(DAYS))  # landed again, whole: it goes on
    assert Ref.from_json(published.publish(day(DAYS)).xcom["publish"]) == before


def test_a_day_reads_its_lookback_so_a_broken_neighbour_is_named(life: Life) -> None:
    """Yesterday's file was damaged after it was published: today's features cannot be made from it."""
    for number in (1, 2):
        life.land(day(number))
    life.publish(day(1))
    raw(life, 1).write_bytes(b"PAR1")
    run = Run({"day": "2013-01-02"})
    run(ValidateDataOperator(task_id="validate", model=MODEL))
    with pytest.raises(DataError) as refused:
        run(PublishFeaturesOperator(task_id="publish", model=MODEL))
    assert_says(refused.value, "The orders partition of 2013-01-01 is not whole Parquet", "the published partition stays")
    assert sorted(there(life.services.control, MODEL, day(1), day(2))) == [day(1)]


def test_a_spec_with_an_unknown_field_names_it_its_value_and_the_model() -> None:
    good = load_spec(MODEL, "tests.unit.operators.models").model_dump()
    with pytest.raises(SpecError) as refused:
        ModelSpec(**{**good, "trainning": {"fit": "a:b"}, "rollout": {"steps": (5, 3)}})
    text = str(refused.value)
    assert "The spec of model 'shop' is wrong" in text
    assert "trainning: is not a field here (seen: {'fit': 'a:b'})" in text
    assert "rollout.steps: must rise from at least 1 and end at 100" in text


@pytest.mark.parametrize(
    ("package", "body", "words"),
    [
        ("one", "from include.core.spek import ModelSpec", "cannot be imported: No module named 'include.core.spek'"),
        ("two", "SPEC = 3", "must define SPEC = ModelSpec(...).\nSeen: 'int'"),
        ("three", "from tests.unit.operators.models.shop.spec import SPEC", "names itself otherwise.\nSeen: 'shop'"),
    ],
)
def test_a_model_whose_spec_is_no_spec_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, body: str, words: str
) -> None:
    package = f"wrong_models_{package}"  # a name each: what was imported stays
    folder = tmp_path / package / "wrong"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "spec.py").write_text(textwrap.dedent(body))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError) as refused:
        load_spec("wrong", package)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ("tests.unit.operators.models.shop.trian:fit", "no source file for module 'tests.unit.operators.models.shop.trian'"),
        ("tests.unit.operators.models.shop.train:fitt", "has no attribute 'fitt'"),
    ],
)
def test_code_that_cannot_be_imported_is_named_by_its_reference(
    published: Life, monkeypatch: pytest.MonkeyPatch, fit: str, words: str
) -> None:
    run = published.snapshot(Run())
    spec = published.services.spec(MODEL)
    training = Training(**{**spec.training.model_dump(), "fit": fit})
    monkeypatch.setattr(
        "include.services.services.Services.spec", lambda self, model: spec.model_copy(update={"training": training})
    )
    with pytest.raises(SpecError) as refused:
        run(TrainModelOperator(task_id="train", model=MODEL))
    assert f"{fit!r} cannot be imported" in str(refused.value)
    assert words in str(refused.value)
    assert "Next: use 'package.module:name'" in str(refused.value)


def test_a_model_that_is_not_there_is_reported_with_those_that_are(life: Life) -> None:
    with pytest.raises(SpecError, match=r"(?s)There is no model 'shoop'.*models here: shop"):
        Run({"day": "2013-01-01"})(ValidateDataOperator(task_id="validate", model="shoop"))
