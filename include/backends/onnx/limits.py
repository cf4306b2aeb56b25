"""Which releases of the ONNX format the installed runtime reads, and a clear word about a file that needs another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from include.core.errors import DataError

HIGHEST = 64  # no release of the format or of its operators is looked for beyond
STANDARD, TREES = "", "ai.onnx.ml"
TITLES = {STANDARD: "the ONNX standard (ai.onnx)", TREES: "ai.onnx.ml"}


def check_release(proto: Any, name: str) -> None:
    """Raises DataError where the file is of a release, or asks for operators of one, that the runtime lacks.

    :param proto: the `onnx.ModelProto` of the file
    :param name: what the error calls the file
    """
    from onnxruntime import __version__ as runtime

    seen = {"ir_version": proto.ir_version, **{each.domain or "ai.onnx": each.version for each in proto.opset_import}}
    if proto.ir_version > newest_format():
        raise DataError(
            f"{name} is of version {proto.ir_version} of the ONNX format; onnxruntime {runtime}, which serves, reads versions up "
            f"to {newest_format()}.",
            seen=seen,
            safe="nothing was registered.",
            hint=f"export it with ir_version={newest_format()} or lower.",
        )
    for each in proto.opset_import:
        domain = STANDARD if each.domain == "ai.onnx" else each.domain
        if domain not in TITLES or each.version <= newest_opset(domain):
            continue
        raise DataError(
            f"{name} asks for opset {each.version} of {TITLES[domain]}; onnxruntime {runtime}, which serves, has opsets up to "
            f"{newest_opset(domain)}.",
            seen=seen,
            safe="nothing was registered.",
            hint=f"export it with opset {newest_opset(domain)} or lower (torch: opset_version, skl2onnx: target_opset).",
        )


@cache
def newest_format() -> int:
    """The newest `ir_version` that the runtime loads."""
    return _newest(lambda number: _probe(number, {STANDARD: 17}))


@cache
def newest_opset(domain: str) -> int:
    """The newest opset of a domain that the runtime loads."""
    return _newest(lambda number: _probe(8, {STANDARD: 17, domain: number}))


def _newest(probe: Callable[[int], bytes]) -> int:
    """The highest number whose probe the runtime takes: it takes every one below, and none above."""
    low, high = 1, HIGHEST
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _loads(probe(middle)) else (low, middle - 1)
    return low


def _loads(data: bytes) -> bool:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception:  # noqa: BLE001 - onnxruntime's exceptions share no base class of their own
        return False
    return True


def _probe(ir_version: int, opsets: dict[str, int]) -> bytes:
    """The smallest model: what comes in goes out."""
    from onnx import TensorProto, helper

    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("given", "made"))
    graph = helper.make_graph([helper.make_node("Identity", ["given"], ["made"])], "probe", [given], [made])
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    written: bytes = helper.make_model(graph, opset_imports=imports, ir_version=ir_version).SerializeToString()
    return written
