r"""Texts of a scikit-learn pipeline in ONNX: what skl2onnx 1.20 gets wrong of CountVectorizer and TfidfVectorizer, mended.

- Words: by default the converter takes letters of ASCII only. scikit-learn's `\b\w\w+\b` is runs of two letters or digits and
  more of any script, which the runtime's Tokenizer finds too.
- Lower case: the converter names no locale, and the runtime's own default, en_US.UTF-8, is missing in slim images. C.UTF-8 is
  part of the C library.
- `sublinear_tf`: the converter writes log(1 + tf), scikit-learn computes 1 + log(tf).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

LOCALE = "C.UTF-8"
DEFAULT = r"(?u)\b\w\w+\b"
WORDS = r"[\pL\pN_][\pL\pN_]+"


def text_options(model: Any) -> dict[Any, Any]:
    """skl2onnx's options of the vectorizers within a fitted estimator."""
    return {id(each): {"tokenexp": WORDS} for each in vectorizers(model) if each.token_pattern == DEFAULT}


def vectorizers(model: Any) -> Iterator[Any]:
    """Those within a pipeline or a ColumnTransformer, at any depth."""
    if hasattr(model, "steps"):
        parts = [part for _, part in model.steps]
    elif hasattr(model, "transformers_"):
        parts = [part for _, part, _ in model.transformers_]
    elif hasattr(model, "transformer_list"):
        parts = [part for _, part in model.transformer_list]
    else:
        parts = []
    for part in parts:
        yield from vectorizers(part)
    if hasattr(model, "token_pattern") and hasattr(model, "vocabulary_"):
        yield model


def mend_texts(model: Any, proto: Any) -> None:
    """Change the converted graph in place."""
    from onnx import helper

    found = list(vectorizers(model))
    for node in proto.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("locale", LOCALE)])
    if any(getattr(each, "sublinear_tf", False) for each in found):
        _mend_sublinear(proto.graph)


def _mend_sublinear(graph: Any) -> None:
    """Write 1 + log(tf) where a word is there, 0 where it is not: max(tf, 1) under the logarithm, and min(tf, 1) beside it."""
    from onnx import helper, numpy_helper

    ones = {each.name for each in graph.initializer if np.all(numpy_helper.to_array(each) == 1)} if graph.initializer else set()
    by_output = {name: node for node in graph.node for name in node.output}
    one = "one_word"
    nodes: list[Any] = []
    for node in graph.node:
        before = by_output.get(node.input[0]) if node.op_type == "Log" else None
        if before is None or before.op_type != "Add" or not ones & set(before.input):
            nodes.append(node)
            continue
        counts = next(name for name in before.input if name not in ones)
        made = node.output[0]
        nodes += [
            helper.make_node("Max", [counts, one], [f"{made}_at_least"]),
            helper.make_node("Log", [f"{made}_at_least"], [f"{made}_log"]),
            helper.make_node("Min", [counts, one], [f"{made}_there"]),
            helper.make_node("Add", [f"{made}_log", f"{made}_there"], [made]),
        ]
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.float32), one))
    del graph.node[:]
    graph.node.extend(nodes)
