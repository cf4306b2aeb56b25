"""Texts as bags of their words inside an ONNX graph: tokens, pairs of neighbours, and the sums of what each stands for.

Everything is of operators of the standard, so that a model which reads text needs no tokenizer beside it, and answers in training
and in serving from the same file. A text is split at line ends and blanks; a token is looked up as it is, so the vocabulary
holds every spelling that means a word ("Dress", "dress," and "dress!" may be one). What is not in it has the number 0, and a row
of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto

Floats = NDArray[np.float32]
Pair = tuple[int, int]
OPSET, TREES_OPSET = 20, 2  # StringSplit and StringConcat are of opset 20
ML = "ai.onnx.ml"


def tokens(text: str) -> Iterator[list[str]]:
    """The tokens of each line: what the graph's own split gives."""
    for line in text.split("\n"):
        yield [token for token in line.split(" ") if token]


class Graph:
    """A graph under construction. Methods add nodes and return the name of what they make."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._count = 0

    def constant(self, value: Any, dtype: str = "float32") -> str:
        from onnx import numpy_helper

        name = self._name("constant")
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def node(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> str:
        """Returns its first output."""
        from onnx import helper

        names = [self._name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names[0]

    def numbers_of(self, text: str, vocabulary: Mapping[str, int]) -> str:
        """[n] texts to the numbers of their tokens, int64 [n, most]: 0 for what is unknown, and behind a line's end."""
        lines = self.node("StringSplit", text, outputs=2, delimiter="\n")
        found = self.node("StringSplit", lines, outputs=2)
        # Behind each line stands a 0, so that no pair goes over its end.
        ended = self.node("Pad", self.lookup(found, vocabulary), self.constant([0, 0, 0, 0, 0, 1], "int64"))
        return self.node("Flatten", ended, axis=1)

    def lookup(self, text: str, vocabulary: Mapping[str, int]) -> str:
        """The number of each text; 0 for one that is not in the vocabulary."""
        keys = sorted(vocabulary)
        values = [vocabulary[key] for key in keys]
        return self.node("LabelEncoder", text, domain=ML, keys_strings=keys, values_int64s=values, default_int64=0)

    def pairs_of(self, numbers: str, words: int, pairs: Mapping[Pair, int]) -> str:
        """Numbers of neighbours, int64 [n, most - 1]; 0 for a pair that is not among `pairs`.

        :param words: more than the largest number of a word
        """
        axis, start, second, end, last = (self.constant([each], "int64") for each in (1, 0, 1, 1 << 62, -1))
        first = self.node("Slice", numbers, start, last, axis)
        then = self.node("Slice", numbers, second, end, axis)
        code = self.node("Add", self.node("Mul", first, self.constant(words, "int64")), then)
        keys = sorted(one * words + other for one, other in pairs)
        values = [pairs[divmod(key, words)] for key in keys]
        return self.node("LabelEncoder", code, domain=ML, keys_int64s=keys, values_int64s=values, default_int64=0)

    def sums(self, numbers: str, table: Floats) -> str:
        """The sum of the rows of `table` [numbers, width] that a bag's numbers name: [n, width]. Row 0 must be zeros."""
        rows = self.node("Gather", self.constant(table), numbers, axis=0)
        return self.node("ReduceSum", rows, self.constant([1], "int64"), keepdims=0)

    def counts(self, numbers: str) -> str:
        """How many of a bag's numbers are known: float32 [n, 1]."""
        known = self.node("Cast", self.node("Greater", numbers, self.constant(0, "int64")), to=1)
        return self.node("ReduceSum", known, self.constant([1], "int64"), keepdims=1)

    def model(self, inputs: Mapping[str, str], made: str, output: str, width: int = 0) -> ModelProto:
        """The whole model. `inputs`: by name "string", "float" or "int64", each [n]. Output: [n], or [n, width].

        Raises ValidationError of onnx for a graph that is none.
        """
        import onnx
        from onnx import TensorProto, helper

        kinds = {"string": TensorProto.STRING, "float": TensorProto.FLOAT, "int64": TensorProto.INT64}
        given = [helper.make_tensor_value_info(name, kinds[kind], ["n"]) for name, kind in inputs.items()]
        shape: list[Any] = ["n", width] if width else ["n"]
        self.nodes.append(helper.make_node("Identity", [made], [output]))
        answer = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "bags", given, answer, self.constants)
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, TREES_OPSET)]
        built = helper.make_model(graph, opset_imports=imports, ir_version=9)
        onnx.checker.check_model(built, full_check=True)
        return built

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"


def spellings(words: Sequence[str], endings: Sequence[str] = ("", ".", ",", "!", "?")) -> dict[str, str]:
    """Tokens by which each word may come, beside those seen: capitals, and what may stand behind it."""
    cased = {form: word for word in words for form in (word, word.capitalize(), word.upper())}
    return {f"{form}{ending}": word for form, word in cased.items() for ending in endings}
