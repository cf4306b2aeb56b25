"""A server's metadata against the spec: what fits is recorded, what does not is refused with what was expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from include.backends.oip.describe import describe
from include.backends.oip.model import OipModel
from include.core.errors import DataError, PermanentError
from include.core.spec import Feature
from include.model_contract.remote import Address, Port, Remote
from tests.support.error_message import assert_says
from tests.support.oip_stub import ROUTE, WEIGHT, Stub, Tensor

NUMBERS = (Feature(name="a"), Feature(name="b", dtype="vector[3]"))


def found(stub: Stub, outputs: tuple[str, ...] = ("score",)) -> Remote:
    return describe(Address.parse("oip://triton/late/versions/3"), NUMBERS, outputs, False, 50, stub.variable)


def test_columns_are_kept_in_the_order_of_the_spec(opened: Callable[..., OipModel]) -> None:
    remote = opened().remote
    assert (remote.form, [port.name for port in remote.inputs]) == ("columns", ["weight", "route"])
    assert (remote.address, remote.platform) == ("oip://triton/late/versions/3", "pytorch_libtorch")


@pytest.mark.parametrize("width", [4, -1])
def test_one_tensor_of_all_inputs_may_have_any_name(stub: Stub, width: int) -> None:
    stub.inputs = [("INPUT__0", "FP32", [-1, width])]
    assert found(stub).inputs == (Port("INPUT__0", "FP32", (-1, width)),)
    assert found(stub).form == "tensor"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("x", "FP32", [-1, 5])], "one tensor [-1, 4]"),
        ([("a", "FP32", [-1])], "inputs named ['a', 'b']"),
        ([("a", "FP32", [-1]), ("b", "FP32", [-1, 4])], "b as FP16 or FP32 or FP64 [-1, 3]"),
        ([("a", "BYTES", [-1]), ("b", "FP32", [-1, 3])], "a as FP16 or FP32 or FP64 [-1] or [-1, 1]"),
        ([("a", "FP32", [-1]), ("b", "FP32", [-1, 3]), ("c", "FP32", [-1])], "inputs named"),
    ],
)
def test_other_inputs_are_refused(stub: Stub, inputs: list[Tensor], words: str) -> None:
    stub.inputs = inputs
    with pytest.raises(DataError) as refused:
        found(stub)
    assert_says(refused.value, words)


@pytest.mark.parametrize(
    ("outputs", "wanted", "names"),
    [
        ([("OUTPUT__0", "FP32", [-1, 1])], ("score",), ["OUTPUT__0"]),
        ([("score", "FP32", [-1]), ("debug", "FP32", [-1, 9])], ("score",), ["score"]),
        ([(name, "FP32", [-1]) for name in ("high", "low", "value")], ("value", "low", "high"), ["value", "low", "high"]),
        ([("all", "FP64", [-1, 3])], ("value", "low", "high"), ["all"]),
    ],
)  # fmt: skip
def test_outputs_are_asked_for_in_the_problems_order(
    stub: Stub, outputs: list[Tensor], wanted: tuple[str, ...], names: list[str]
) -> None:
    stub.inputs, stub.outputs = [("x", "FP32", [-1, 4])], outputs
    assert [port.name for port in found(stub, outputs=wanted).outputs] == names


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [
        ([("a", "FP32", [-1]), ("b", "FP32", [-1])], ("score",)),
        ([("score", "BYTES", [-1])], ("score",)),
        ([("all", "FP32", [-1, 2])], ("one", "two", "three")),
    ],
)
def test_other_outputs_are_refused(stub: Stub, outputs: list[Tensor], wanted: tuple[str, ...]) -> None:
    stub.inputs, stub.outputs = [("x", "FP32", [-1, 4])], outputs
    with pytest.raises(DataError) as refused:
        found(stub, outputs=wanted)
    assert_says(refused.value, "Expected outputs", "do not fit the spec")


def test_a_server_with_versions_wants_one_named(opened: Callable[..., OipModel]) -> None:
    with pytest.raises(DataError) as refused:
        opened("oip://triton/late")
    assert_says(refused.value, "names no version", "oip://triton/late/versions/3")


def test_a_model_a_login_or_a_server_that_is_not_there_is_said(opened: Callable[..., OipModel], stub: Stub) -> None:
    with pytest.raises(DataError, match="has no model 'early'"):
        opened("oip://triton/early/versions/1")
    given = dict(stub.variable)
    stub.token = "another"
    with pytest.raises(PermanentError) as refused:
        describe(Address.parse("oip://triton/late/versions/3"), NUMBERS, ("score",), False, 50, given)
    assert_says(refused.value, "refuses the login", "slipstream_oip_triton")
    assert "triton-secret" not in str(refused.value)


def test_what_an_address_says_comes_before_what_the_server_says(opened: Callable[..., OipModel]) -> None:
    assert opened("oip://triton/late/versions/3?max_batch=4&timeout_ms=70").remote.max_batch == 4
    assert opened(inputs=[ROUTE, WEIGHT], max_batch=2).remote.max_batch == 2
