"""What a server says of a model, held against what the spec asks of one: names, types, order. Nothing is scored here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from include.backends.oip.client import OipClient, open_client
from include.backends.oip.model import ASKED_SECONDS
from include.backends.oip.tensors import BYTES, FLOATS
from include.core.errors import DataError, SlipstreamError
from include.core.spec import Feature
from include.core.spec.dtypes import Kind, kind_of, length_of
from include.model_contract.remote import MAX_BATCH, SAFE, SCHEME, Address, Port, Remote

INTEGERS = ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8")
TAKEN: Mapping[Kind, tuple[str, ...]] = {
    "float": FLOATS, "int": (*INTEGERS, *FLOATS), "bool": ("BOOL",), "category": (BYTES,), "text": (BYTES,), "vector": FLOATS,
}  # fmt: skip
"""The datatypes that a column of each kind may have."""


def describe(
    address: Address,
    inputs: Sequence[Feature],
    outputs: Sequence[str],
    distribution: bool,
    timeout_ms: int,
    environ: Mapping[str, str] | None,
) -> Remote:
    """The record of a remote model that takes the spec's inputs and gives the problem's outputs.

    :param distribution: whether the outputs are one, so that a single tensor of all of them may have any name
    :param timeout_ms: within which its answers are due
    Raises DataError for one that does not fit, UnreachableError where the server does not answer.
    """
    client = open_client(address.connection, environ)
    server = client.get("/v2", ASKED_SECONDS)
    if not isinstance(server, Mapping) or "name" not in server:
        raise DataError(
            f"What answers at {client.url} is no Open Inference Protocol server.", seen=server, safe=SAFE,
            hint=f"correct the connection {address.connection}.",
        )  # fmt: skip
    said = _metadata(client, address)
    form, taken = _taken(address, [Port.from_json(each) for each in said["inputs"]], inputs)
    return Remote(
        name=address.name, model=address.model, version=address.version, platform=str(said.get("platform", "")), form=form,
        inputs=taken, outputs=_given(address, [Port.from_json(each) for each in said["outputs"]], outputs, said, distribution),
        timeout_ms=timeout_ms, max_batch=address.max_batch or _largest(client, address),
        binary="binary_tensor_data" in (server.get("extensions") or ()),
        digest=str((said.get("parameters") or {}).get("digest", "")),
    )  # fmt: skip


def _metadata(client: OipClient, address: Address) -> Mapping[str, Any]:
    asked = Remote(address.name, address.model, address.version, "", "tensor", (), ())
    said = client.get(asked.path, ASKED_SECONDS)
    if said is None:
        raise DataError(
            f"The server at {client.url} has no model {address.model!r}"
            + (f" of version {address.version!r}." if address.version else "."),
            seen=asked.address, safe=SAFE, hint="is it loaded there, and are model and version spelled as there?",
        )  # fmt: skip
    if not isinstance(said, Mapping) or not isinstance(said.get("inputs"), list) or not isinstance(said.get("outputs"), list):
        raise DataError(f"The server at {client.url} says nothing of the model's inputs and outputs.", seen=said, safe=SAFE)
    versions = [str(version) for version in said.get("versions") or ()]
    if versions and not address.version:
        raise DataError(
            f"{asked.address} names no version, and the server has versions: what it answers may change at any time.",
            seen=versions, safe=SAFE, hint=f"write {asked.address}/versions/{versions[-1]}.",
        )  # fmt: skip
    return said


def _largest(client: OipClient, address: Address) -> int:
    """Triton says how many rows it takes at once; another server says nothing."""
    path = Remote(address.name, address.model, address.version, "", "tensor", (), ()).path
    try:
        said = client.get(f"{path}/config", ASKED_SECONDS)
        return max(1, min(int(said["max_batch_size"]), MAX_BATCH))
    except (SlipstreamError, TypeError, KeyError, ValueError):  # it has no such page
        return MAX_BATCH


# -- inputs ----------------------------------------------------------------------------------------------------------------


def _taken(
    address: Address, ports: Sequence[Port], inputs: Sequence[Feature]
) -> tuple[Literal["tensor", "columns"], tuple[Port, ...]]:
    """One tensor of all inputs, or one each by name."""
    names = [each.name for each in inputs]
    single = ports[0] if len(ports) == 1 else None
    if single is not None and single.name not in names and single.datatype in FLOATS:
        width = sum(length_of(each.dtype) or 1 for each in inputs)
        if any(kind_of(each.dtype) == "text" for each in inputs) or len(single.shape) != 2 or single.shape[1] not in (-1, width):
            raise _misfit(address, "input", f"one tensor [-1, {width}] of numbers, or one input a column: {names}", [single])
        return "tensor", (single,)
    if sorted(port.name for port in ports) != sorted(names):
        raise _misfit(address, "input", f"inputs named {names}", ports)
    by_name = {port.name: port for port in ports}
    for each in inputs:
        if not _is_column(by_name[each.name], each):
            length = length_of(each.dtype)
            wanted = f"[-1, {length}]" if length else "[-1] or [-1, 1]"
            raise _misfit(address, "input", f"{each.name} as {' or '.join(TAKEN[kind_of(each.dtype)])} {wanted}", ports)
    return "columns", tuple(by_name[name] for name in names)


def _is_column(port: Port, each: Feature) -> bool:
    length, shape = length_of(each.dtype), port.shape
    fits = (
        len(shape) == 2 and shape[1] in (-1, length) if length else len(shape) == 1 or (len(shape) == 2 and shape[1] in (-1, 1))
    )
    return fits and port.datatype in TAKEN[kind_of(each.dtype)]


# -- outputs ---------------------------------------------------------------------------------------------------------------


def _given(
    address: Address, ports: Sequence[Port], outputs: Sequence[str], said: Mapping[str, Any], distribution: bool
) -> tuple[Port, ...]:
    """The tensors to ask for, in the order of the problem's outputs."""
    by_name = {port.name: port for port in ports if port.datatype in FLOATS}
    order = (said.get("parameters") or {}).get("outputs")
    if order is not None and list(order) != list(outputs):
        raise _misfit(address, "output", f"{list(outputs)}, in this order", order)
    if all(name in by_name for name in outputs) and not (distribution and len(by_name) == 1):
        found = tuple(by_name[name] for name in outputs)
        if all(_numbers_of(port) == 1 for port in found):
            return found
    if len(by_name) == 1:
        (port,) = by_name.values()
        if _numbers_of(port) == len(outputs):
            return (port,)
    one = f"one of any name, [-1, {len(outputs)}]" if len(outputs) > 1 else "one of any name, [-1] or [-1, 1]"
    raise _misfit(address, "output", f"outputs {list(outputs)} of numbers, or {one}", ports)


def _numbers_of(port: Port) -> int:
    """Numbers a row; 0 where the metadata does not say."""
    if len(port.shape) == 1:
        return 1
    return port.shape[1] if len(port.shape) == 2 and port.shape[1] > 0 else 0


def _misfit(address: Address, what: str, expected: str, seen: Sequence[Any]) -> DataError:
    shown = [f"{each.name} {each.datatype} {list(each.shape)}" if isinstance(each, Port) else each for each in seen]
    return DataError(
        f"The {what}s of {SCHEME}://{address.name}/{address.model} do not fit the spec. Expected {expected}.",
        seen=shown, safe=SAFE, hint="change the server's model, or features and problem of the spec.",
    )  # fmt: skip
