"""What an ONNX file holds, learnt before a parser or a runtime sees it, and what is refused in it.

Tensors are looked for wherever the format has them: initializers (dense and sparse), attributes of every node, in
sub-graphs at any depth, in local functions and their default attributes, in training information. A tensor kept in
another file makes the runtime read that file from the folder it runs in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod

from include.backends.onnx.wire import SCALARS, SCHEMA, MalformedError, Reader

Call = tuple[str, str, str]  # domain, name, overload of an operator or of a local function

MESSAGES = 500_000  # each takes a few hundred bytes in a parser, however few it has in the file
DEPTH = 64  # of messages in one another: three a sub-graph. Parsers stop at 100
NODES = 20_000  # once local functions are written out; the runtime takes seconds for so many, and longer by the square
NESTED_CALLS = 32  # of local functions in one another: the runtime recurses, and 3,000 end the process
DENSE = 1 << 24  # elements of all sparse tensors, written out as the runtime does
AXES = 64

STANDARD = ("", "ai.onnx", "ai.onnx.ml")
CONTRIBUTED = "com.microsoft"
QUANTISED = frozenset(  # what ONNX Runtime's quantiser writes in that domain
    {
        "DequantizeLinear", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QAttention",
        "QEmbedLayerNormalization", "QGemm", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool",
        "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QLinearSoftmax", "QLinearWhere", "QuantizeLinear",
    }
)  # fmt: skip


TEXTS = frozenset({"Tokenizer"})  # what skl2onnx writes there, for the words of a text


class RefusedError(ValueError):
    """It is ONNX, but none that is opened here."""

    def __init__(self, what: str, seen: object, hint: str) -> None:
        super().__init__(what)
        self.what, self.seen, self.hint = what, seen, hint


@dataclass
class Body:
    """Which operators a graph or a function asks for, and how often; with those of its sub-graphs."""

    calls: Counter[Call] = field(default_factory=Counter)


def walk(data: bytes) -> None:
    """Raises MalformedError for bytes that are no ONNX, RefusedError for ONNX that is not opened here."""
    _Walk(data).model()


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.reader = Reader(data)
        self.messages = self.dense = 0
        self.main = Body()
        self.functions: dict[Call, Body] = {}
        self.special = {"Node": self._node, "Function": self._function, "Tensor": self._tensor, "Sparse": self._sparse}

    def model(self) -> None:
        missing = {7: "a graph", 8: "the operators' version (opset_import)"}
        for number, first, last in self.reader.fields("Model", 0, len(self.reader.data)):
            missing.pop(number, None)
            if SCHEMA["Model"][number].kind not in SCALARS:
                self._message(SCHEMA["Model"][number].kind, first, last, self.main, 1)
        if missing:
            raise MalformedError(f"{' and '.join(missing.values())} is missing")
        _check_operators([self.main, *self.functions.values()], self.functions)
        _check_size(self.main, self.functions)

    def _message(self, kind: str, start: int, end: int, body: Body, depth: int) -> None:
        self.messages += 1
        if depth > DEPTH:
            raise RefusedError(f"nests messages deeper than {DEPTH}", depth, "flatten its sub-graphs.")
        if self.messages > MESSAGES:
            raise RefusedError(f"has more than {MESSAGES} parts (messages)", self.messages, "export a smaller graph.")
        if kind in self.special:
            self.special[kind](start, end, body, depth)
            return
        declared = SCHEMA[kind]
        for number, first, last in self.reader.fields(kind, start, end):
            if declared[number].kind not in SCALARS:
                self._message(declared[number].kind, first, last, body, depth + 1)

    def _node(self, start: int, end: int, body: Body, depth: int) -> None:
        names = self._named("Node", start, end, body, depth, (7, 4, 8))
        body.calls[names] += 1

    def _function(self, start: int, end: int, _: Body, depth: int) -> None:
        own = Body()
        names = self._named("Function", start, end, own, depth, (10, 1, 13))
        if names[0] in (*STANDARD, CONTRIBUTED):
            raise RefusedError("defines an operator of the standard anew as a local function", names, "give it another domain.")
        if names in self.functions:
            raise RefusedError("defines a local function twice", names, "export it again.")
        self.functions[names] = own

    def _named(self, kind: str, start: int, end: int, body: Body, depth: int, wanted: tuple[int, int, int]) -> Call:
        """Walk a node or a function; its domain, name and overload."""
        found = dict.fromkeys(wanted, "")
        declared = SCHEMA[kind]
        for number, first, last in self.reader.fields(kind, start, end):
            if number in found:
                found[number] = self.reader.text(first, last)
            elif declared[number].kind not in SCALARS:
                self._message(declared[number].kind, first, last, body, depth + 1)
        domain, name, overload = found.values()
        return domain, name, overload

    def _tensor(self, start: int, end: int, body: Body, depth: int) -> None:
        axes: list[int] = []
        name, outside, unknown = "", False, 0
        for number, first, last in self.reader.fields("Tensor", start, end):
            if number == 1:
                axes += self._axes(first, last, len(axes))
            elif number == 8:
                name = self.reader.text(first, last)
            elif number == 14:
                unknown = first
            elif number in (13, 16, 3):
                outside = outside or number == 13
                self._message(SCHEMA["Tensor"][number].kind, first, last, body, depth + 1)
        if outside or unknown:
            raise RefusedError(
                "keeps a tensor outside of the file: it would be read from the folder of the process that opens it",
                name, "export with external_data=False (torch), or without save_as_external_data (onnx.save).",
            )  # fmt: skip
        if prod(axes) > 8 * (end - start):  # no element takes less than a bit
            raise RefusedError(
                f"claims a tensor of more elements than its {end - start} bytes can hold", [name, axes], "export it again."
            )

    def _sparse(self, start: int, end: int, body: Body, depth: int) -> None:
        axes: list[int] = []
        for number, first, last in self.reader.fields("Sparse", start, end):
            if number == 3:
                axes += self._axes(first, last, len(axes))
            else:
                self._message("Tensor", first, last, body, depth + 1)
        self.dense += prod(axes)
        if self.dense > DENSE:
            raise RefusedError(f"has sparse tensors of more than {DENSE} elements written out", axes, "shrink the table.")

    def _axes(self, first: int, last: int, known: int) -> list[int]:
        """One axis, or packed ones."""
        found = self.reader.varints(first, last, AXES) if last else [first]
        if known + len(found) > AXES or any(axis >= 1 << 63 for axis in found):
            raise MalformedError(f"a tensor has more than {AXES} axes, or a negative one")
        return found


def _check_operators(bodies: list[Body], functions: dict[Call, Body]) -> None:
    for call in sorted({call for body in bodies for call in body.calls}):
        domain, name, _ = call
        known = domain in STANDARD or call in functions or (domain == CONTRIBUTED and name in QUANTISED | TEXTS)
        if not known:
            raise RefusedError(
                "uses an operator that is neither of the ONNX standard nor defined in the file", f"{domain}::{name}",
                f"export with the operators of {', '.join(map(repr, STANDARD))}, those of quantisation, or of skl2onnx's texts.",
            )  # fmt: skip


def _check_size(main: Body, functions: dict[Call, Body]) -> None:
    """Count the nodes with every local function written out: ten lines of functions can mean a billion nodes."""
    sizes: dict[Call, int] = {}
    open_calls: list[Call] = []

    def written_out(body: Body) -> int:
        return min(NODES + 1, sum(times * (1 + of_function(call)) for call, times in body.calls.items()))

    def of_function(call: Call) -> int:
        if call not in functions:
            return 0
        if call in open_calls or len(open_calls) >= NESTED_CALLS:
            raise RefusedError(f"has local functions that call each other deeper than {NESTED_CALLS}", call[:2], "inline them.")
        if call not in sizes:
            open_calls.append(call)
            sizes[call] = written_out(functions[call])
            open_calls.pop()
        return sizes[call]

    for body in (main, *functions.values()):
        if written_out(body) > NODES:
            raise RefusedError(
                f"has more than {NODES} nodes once its functions are written out", "too many", "export a smaller graph."
            )
