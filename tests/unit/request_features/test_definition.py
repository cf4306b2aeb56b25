from __future__ import annotations

import pytest

from include.core.errors import DataError
from include.core.spec import Feature, Features, View
from include.request_features.definition import KEY, RequestFeatures, misfits, of_version, signature_part
from tests.support.expressions import SENT, computed, features

VIEWS = [Feature(name="f"), Feature(name="g", default=2.0)]


def signed(spec: Features, *inputs: str) -> dict[str, object]:
    return {"inputs": [{"name": name, "dtype": "float"} for name in inputs], **signature_part(spec)}


def test_a_signature_carries_what_is_read_and_what_computes_it() -> None:
    spec = features(computed("f / i", default=1.0).model_copy(update={"description": "a share"}))
    written = signature_part(spec)[KEY]
    assert [each["name"] for each in written["given"]] == ["f", "i"]
    made = RequestFeatures.of_signature({KEY: written})
    assert made == RequestFeatures.of(spec)
    assert made is not None
    assert made.digest == RequestFeatures.of(features(computed("f / i", default=1.0))).digest, "a description computes nothing"  # type: ignore[union-attr]  # it computes
    assert made.digest != RequestFeatures.of(features(computed("f / j", default=1.0))).digest  # type: ignore[union-attr]  # likewise


def test_a_signature_of_a_model_that_computes_nothing_stays_as_it_was() -> None:
    assert signature_part(Features(request=(Feature(name="x"),))) == {}
    assert RequestFeatures.of_signature({"inputs": []}) is None


def test_expressions_of_a_later_release_are_refused() -> None:
    written = signature_part(features(computed("f")))
    written[KEY]["computed"][0]["expression"] = "soundex(f)"
    with pytest.raises(DataError, match=r"(?s)cannot be computed here.*soundex"):
        RequestFeatures.of_signature(written)


def test_a_version_computes_by_its_own_expression_and_by_the_specs_what_it_was_sent() -> None:
    present = features(computed("f * 2"), Feature(name="more", expression="f * 3"))
    own = of_version(signed(features(computed("f + 1")), "f", "out"), present)
    assert own is not None
    assert [each.expression for each in own.computed] == ["f + 1"]
    mixed = of_version(signed(features(computed("f + 1")), "f", "out", "more"), present)
    assert mixed is not None
    assert [each.expression for each in mixed.computed] == ["f + 1", "f * 3"]
    assert of_version(signed(Features(request=(Feature(name="out"),)), "out"), present) == RequestFeatures.of(present)
    assert of_version(signed(Features(request=(Feature(name="f"),)), "f"), present) is None, "it takes nothing that is computed"


def test_what_does_not_come_any_more_is_named() -> None:
    before = signed(features(computed("f + i")), "f", "g", "out")
    assert misfits(before, features(computed("f * j")), VIEWS) == []
    fewer = Features(
        views=(View(name="v", keys=("k",), features=tuple(VIEWS)),), request=(computed("f"),),
        request_fields=tuple(each for each in SENT if each.name != "i"),
    )  # fmt: skip
    assert misfits(before, fewer, VIEWS) == ["'i' (int), which its expressions read, does not come with a request any more"]
    sent = signed(Features(request=(Feature(name="out"),)), "out")
    assert misfits(sent, features(computed("f")), VIEWS) == ["input 'out' came with the request, and is computed of it now"]
