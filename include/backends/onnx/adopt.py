"""From an ONNX file that was made elsewhere to the one that serves: `features` float32 [n, inputs] in, the problem's outputs out.

Nodes are put before and after the file's own graph, which stays as it is; the result scores as the file does, which is tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.backends.onnx.file import read_model
from include.backends.onnx.foreign import SAFE, Port, Taken, check_inputs, outputs_of, width_of
from include.backends.onnx.limits import TREES, check_release
from include.backends.onnx.model import INPUT, OUTPUT, check_model, open_model
from include.backends.onnx.outputs import Chosen, choose
from include.core.errors import DataError, one_line
from include.model_contract.encoder import Encoder, Input
from include.model_contract.model import Floats
from include.problems.of import PLAIN
from include.problems.problem import Problem

UNSEEN = "(a value that is in no vocabulary)"  # what a column of text is given for a category that nobody named
ROWS, SEED, GAP = 64, 7, 1e-6
OUTPUTS = "outputs"  # the one tensor [n, k] of several
OPSET, TREES_OPSET = 17, 3  # where the file imports none
Cells = NDArray[Any]


def adopt(source: Path, encoder: Encoder, target: Path, problem: Problem = PLAIN) -> None:
    """Write the model of `source` as Slipstream serves it, with the outputs of `problem`.

    Raises IntegrityError for what is not ONNX, DataError for a file that is not opened (include/backends/onnx/file.py), that
    the runtime is too old for, whose inputs are not the encoder's, or that does not give what the problem asks for.
    """
    import onnx

    data = read_model(source)
    proto = onnx.load_model_from_string(data)
    check_release(proto, source.name)
    taken = check_inputs(source.name, proto, encoder.inputs)
    _check_vocabularies(source.name, taken, encoder.inputs)
    session = open_foreign(source, data)
    rows = probes(encoder)
    given = _given(taken, encoder, rows)
    answers = dict(zip([each.name for each in session.get_outputs()], run_foreign(source, session, given), strict=True))
    chosen = (
        choose_probability(source.name, proto, answers)
        if problem.link == "sigmoid"
        else choose(source.name, proto, answers, problem)
    )
    if not _serves_as_it_is(taken, proto, chosen, problem):
        _write(proto, taken, encoder.inputs, chosen, problem)
        data = proto.SerializeToString(deterministic=True)
    target.write_bytes(data)
    check_model(target, encoder.width, problem.outputs)
    gap = float(np.abs(open_model(target).score(rows) - chosen.scores).max())
    if not gap <= GAP:
        raise DataError(f"{source.name} scores otherwise once it takes one tensor of features.", seen=gap, safe=SAFE)


def probes(encoder: Encoder) -> Floats:
    """Rows as serving may meet them, float32 [rows, inputs]: numbers of all sizes, every known code, nothing known."""
    rng = np.random.default_rng(SEED)
    columns = []
    for each in [kind for kind in encoder.inputs for _ in kind.places]:
        scale = rng.choice([1.0, 30.0, 1000.0], ROWS)
        values = rng.normal(size=ROWS) * scale
        if each.dtype == "category":
            values = rng.integers(0, each.cardinality, ROWS)
        if each.dtype == "bool":
            values = (values > 0).astype(np.float64)
        columns.append(np.round(values) if each.dtype == "int" else values)
    rows = np.column_stack(columns).astype(np.float32)
    rows[0] = encoder.encode_row({})
    return rows


# -- what the file is given and gives ---------------------------------------------------------------------------------------


def open_foreign(source: Path, data: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise DataError(
            f"{source.name} is not a model that the runtime can load: {one_line(error)[:300]}", safe=SAFE, hint="export it again."
        ) from error


def run_foreign(source: Path, session: Any, given: Mapping[str, Cells]) -> list[Any]:
    try:
        answers: list[Any] = session.run(None, dict(given))
    except Exception as error:  # the same
        raise DataError(
            f"{source.name} does not answer rows of the spec's inputs: {one_line(error)[:300]}",
            safe=SAFE,
            hint="it must take any number of rows, and values that are missing or unknown.",
        ) from error
    return answers


def _given(taken: Taken, encoder: Encoder, rows: Floats) -> dict[str, Cells]:
    """The probes as the file takes them."""
    if taken.form == "tensor":
        return {taken.ports[0].name: rows.astype(_numpy(taken.ports[0]))}
    return {
        port.name: _column(port, each, rows[:, where] if each.length else rows[:, where.start])
        for port, each, where in zip(taken.ports, encoder.inputs, encoder.blocks, strict=True)
    }


def _serves_as_it_is(taken: Taken, proto: Any, chosen: Chosen, problem: Problem) -> bool:
    """Whether it has Slipstream's own ports."""
    (taking, *others), giving = taken.ports, outputs_of(proto)
    if others or (taking.name, taking.type) != (INPUT, "FLOAT") or {each.type for each in giving} != {"FLOAT"}:
        return False
    if tuple(each.name for each in giving) == problem.outputs:
        return all(len(each.axes or ()) == 1 for each in giving)
    in_order = chosen.column == tuple(range(len(problem.outputs)))
    return len(giving) == 1 and in_order and len(giving[0].axes or ()) == 2


def _column(port: Port, each: Input, values: Floats) -> Cells:
    if port.type == "STRING":
        texts = [each.categories[int(code) - 1] if code >= 1 else UNSEEN for code in values]
        cells: Cells = np.array(texts, dtype=object)
    else:
        cells = values.astype(_numpy(port))
    return cells.reshape(-1, 1) if len(port.axes or ()) == 2 and cells.ndim == 1 else cells


def _numpy(port: Port) -> np.dtype[Any]:
    return np.dtype({"FLOAT": "f4", "DOUBLE": "f8", "INT32": "i4", "INT64": "i8"}[port.type])


def _check_vocabularies(name: str, taken: Taken, inputs: Sequence[Input]) -> None:
    """A category is a code, and which text a code stands for is not in the file."""
    lacking = [each.name for each in inputs if each.dtype == "category" and not each.categories]
    if lacking:
        form = "codes (1 is the first, 0 any other)" if taken.form == "tensor" else "text"
        raise DataError(
            f"{name} takes {lacking} as {form}, and nobody has said which values it knows.",
            safe=SAFE,
            hint="give them in the order in which it was trained: categories={'colour': ['blue', 'red']} "
            "(slipstream register --categories FILE.json); or as_of, for the vocabulary of a training set.",
        )


def choose_probability(name: str, proto: Any, answers: Mapping[str, Any]) -> Chosen:
    """Which output is the probability of the positive class. Raises DataError where that is none, or not clear."""
    _check_classes(name, proto)
    found = [chosen for key, value in answers.items() if (chosen := _candidate(proto, key, value)) is not None]
    if len(found) > 1:
        found = [each for each in found if each.tensor == OUTPUT or "prob" in each.tensor.lower()]
    if len(found) != 1:
        raise DataError(
            f"It is not clear which output of {name} is the probability: one of float [n], [n, 1] or [n, 2] is, or one named "
            f"{OUTPUT!r}.",
            seen=[str(port) for port in outputs_of(proto)],
            safe=SAFE,
            hint="export it with one output, the probability of the positive class.",
        )
    _check_probabilities(name, found[0])
    return found[0]


def _candidate(proto: Any, key: str, value: Any) -> Chosen | None:
    if isinstance(value, list):  # a list of dictionaries: the tensor before it is the one
        zipped = next((node for node in proto.graph.node if node.op_type == "ZipMap" and key in node.output), None)
        if zipped is None or not value or len(value[0]) != 2:
            return None
        both = np.array([list(each.values()) for each in value], dtype=np.float32)
        return Chosen(zipped.input[0], 1, both[:, 1], zipped=key)
    if not np.issubdtype(value.dtype, np.floating) or value.shape[:1] != (ROWS,):
        return None
    scores = value.astype(np.float32)
    if value.ndim == 1:
        return Chosen(key, None, scores)
    if value.ndim != 2 or value.shape[1] not in (1, 2):
        return None
    return Chosen(key, value.shape[1] - 1, scores[:, -1])


def _check_classes(name: str, proto: Any) -> None:
    """The positive class is the second: the classes of the file are 0 and 1, wherever it names them."""
    for node in proto.graph.node:
        for attribute in node.attribute:
            if not attribute.name.startswith("classlabels_"):
                continue
            labels = [*attribute.ints, *(text.decode(errors="replace") for text in attribute.strings)]
            if labels and [str(label) for label in labels] != ["0", "1"]:
                raise DataError(
                    f"The classes of {name} are not 0 and 1, so it is not clear which is the positive one.",
                    seen=labels[:10], safe=SAFE, hint="train it on labels of 0 and 1, the spec's label, and export it again.",
                )  # fmt: skip


def _check_probabilities(name: str, chosen: Chosen) -> None:
    if bool(np.all((chosen.scores >= 0) & (chosen.scores <= 1))):  # NaN fails both
        return
    nothing = " for a row of which nothing is known" if np.isnan(chosen.scores[0]) else ""
    raise DataError(
        f"What {name} returns is no probability{nothing}.",
        seen=[float(np.nanmin(chosen.scores)), float(np.nanmax(chosen.scores)), f"{int(np.isnan(chosen.scores).sum())} NaN"],
        safe=SAFE,
        hint="return a probability in 0..1 whatever the input: a missing number is NaN, unless the spec's feature has a default.",
    )


# -- the nodes around it ----------------------------------------------------------------------------------------------------


def _write(proto: Any, taken: Taken, inputs: Sequence[Input], chosen: Chosen, problem: Problem) -> None:
    """Change the graph in place. Raises DataError for outputs that each are a tensor of their own."""
    from onnx import TensorProto, helper

    if not chosen.tensor:
        raise DataError(
            "A file whose outputs are a tensor each is served as it is, and takes one tensor of features.",
            seen=[str(port) for port in taken.ports],
            safe=SAFE,
            hint=f"export it with one output [n, {len(problem.outputs)}].",
        )
    graph, names = proto.graph, Names(proto.graph)
    shape: list[str | int | None] = ["n"] if len(problem.outputs) == 1 else ["n", len(problem.outputs)]
    output = problem.outputs[0] if len(problem.outputs) == 1 else OUTPUTS
    for name in (INPUT, output):
        names.set_free(name)
    kept = [node for node in graph.node if not chosen.zipped or chosen.zipped not in node.output]
    before = _before(taken, inputs, names, _import_opsets(proto))
    after = nodes_after(names.now(chosen.tensor), chosen.column, names, output)
    del graph.node[:]
    graph.node.extend([*before, *kept, *after])
    given = {names.now(port.name) for port in taken.ports}
    held = [each for each in graph.input if each.name not in given]
    del graph.input[:]
    graph.input.extend([helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", width_of(inputs)]), *held])
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))


def _before(taken: Taken, inputs: Sequence[Input], names: Names, opset: int) -> list[Any]:
    """From `features` to what the file takes."""
    from onnx import TensorProto, helper

    if taken.form == "tensor":
        port = taken.ports[0]
        return [helper.make_node("Cast", [INPUT], [names.now(port.name)], to=TensorProto.DataType.Value(port.type))]
    nodes, place = [], 0
    for port, each in zip(taken.ports, inputs, strict=True):
        rank = len(port.axes or ())
        where, column = names.fresh("place"), names.fresh("column")
        places = list(range(place, place := place + len(each.places)))
        nodes.append(_constant(where, np.array(places if rank == 2 else places[0], np.int64)))
        nodes.append(helper.make_node("Gather", [INPUT, where], [column], axis=1))
        if port.type == "STRING":
            code = names.fresh("code")
            nodes.append(helper.make_node("Cast", [column], [code], to=TensorProto.INT64))
            nodes.append(_texts(code, names.now(port.name), each, opset))
        else:
            to = TensorProto.DataType.Value(port.type)
            nodes.append(helper.make_node("Cast", [column], [names.now(port.name)], to=to))
    return nodes


def _texts(code: str, text: str, each: Input, opset: int) -> Any:
    """From codes to the text they stand for. The first opset has a list in place of keys and values: a code is a place in it."""
    from onnx import helper

    vocabulary: dict[str, Any] = {"keys_int64s": list(range(1, len(each.categories) + 1)), "values_strings": each.categories}
    if opset < 2:
        vocabulary = {"classes_strings": [UNSEEN, *each.categories]}
    return helper.make_node("LabelEncoder", [code], [text], domain=TREES, default_string=UNSEEN, **vocabulary)


def nodes_after(tensor: str, column: int | tuple[int, ...] | None, names: Names, output: str) -> list[Any]:
    """From what the file returns to the output that serves."""
    from onnx import TensorProto, helper

    if column is None:
        return [helper.make_node("Cast", [tensor], [output], to=TensorProto.FLOAT)]
    which, one = names.fresh("class"), names.fresh("probability")
    return [
        _constant(which, np.array(column, np.int64)),
        helper.make_node("Gather", [tensor, which], [one], axis=1),
        helper.make_node("Cast", [one], [output], to=TensorProto.FLOAT),
    ]


def _constant(name: str, value: Cells) -> Any:
    from onnx import helper, numpy_helper

    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))


def _import_opsets(proto: Any) -> int:
    """Have the operators that the new nodes ask for; the opset of ai.onnx.ml."""
    from onnx import helper

    held = {each.domain: each.version for each in proto.opset_import}
    if "" not in held and "ai.onnx" not in held:
        proto.opset_import.append(helper.make_opsetid("", OPSET))
    if TREES not in held:
        proto.opset_import.append(helper.make_opsetid(TREES, TREES_OPSET))
    return int(held.get(TREES, TREES_OPSET))


class Names:
    """The names of tensors in a graph and in those within it; two of them are wanted for ports."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.taken = set(_names(graph))
        self.moved: dict[str, str] = {}

    def fresh(self, hint: str) -> str:
        number = 0
        while (name := f"adopted_{hint}_{number}") in self.taken:
            number += 1
        self.taken.add(name)
        return name

    def now(self, name: str) -> str:
        """The present name of what the file called so."""
        return self.moved.get(name, name)

    def set_free(self, name: str) -> None:
        """Call what has the name otherwise."""
        if name in self.taken:
            self.moved[name] = self.fresh(name)
            _rename(self.graph, name, self.moved[name])


def _names(graph: Any) -> list[str]:
    found = [each.name for group in (graph.input, graph.output, graph.initializer, graph.value_info) for each in group]
    found += [each.values.name for each in graph.sparse_initializer]
    for node in graph.node:
        found += [*node.input, *node.output]
        for inner in _inner(node):
            found += _names(inner)
    return found


def _rename(graph: Any, old: str, new: str) -> None:
    for group in (graph.input, graph.output, graph.initializer, graph.value_info):
        for each in group:
            each.name = new if each.name == old else each.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = new if sparse.values.name == old else sparse.values.name
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = new if name == old else name
        for inner in _inner(node):
            _rename(inner, old, new)


def _inner(node: Any) -> list[Any]:
    """The graphs within a node."""
    return [
        graph
        for attribute in node.attribute
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)
    ]
