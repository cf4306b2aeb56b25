"""An ONNX file of columns that was made elsewhere, for a model that takes columns: its inputs stay, its outputs are a problem's.

A converter's file often gives a label beside the probabilities, or a list of dictionaries: what serves gives the outputs alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from include.backends.onnx.adopt import (
    GAP,
    OUTPUTS,
    ROWS,
    SEED,
    UNSEEN,
    Names,
    choose_probability,
    nodes_after,
    open_foreign,
    run_foreign,
)
from include.backends.onnx.file import read_model
from include.backends.onnx.foreign import SAFE, outputs_of
from include.backends.onnx.limits import check_release
from include.backends.onnx.model import check_model, open_model
from include.backends.onnx.outputs import Chosen, choose
from include.backends.onnx.ports import check_taken, taken_of
from include.core.errors import DataError
from include.model_contract.batch import Columns
from include.model_contract.encoder import Encoder
from include.model_contract.input import Input
from include.problems.of import PLAIN
from include.problems.problem import Problem

WORDS = ("fits", "well", "but", "its", "Colour", "NOT", "what", "I", "saw;", "2", "washes", "\N{SNOWMAN}")


def adopt_columns(source: Path, encoder: Encoder, target: Path, problem: Problem = PLAIN) -> None:
    """Write the model of `source` as Slipstream serves it, an input a column, with the outputs of `problem`.

    Raises IntegrityError for what is not ONNX, DataError for a file that is not opened, whose inputs are not the encoder's, or
    that does not give what the problem asks for.
    """
    import onnx

    data = read_model(source)
    proto = onnx.load_model_from_string(data)
    check_release(proto, source.name)
    session = open_foreign(source, data)
    taken = taken_of(source.name, session)
    check_taken(source.name, taken, encoder)
    rows = column_probes(encoder)
    given = {column.name: column.given(rows, source.name) for column in taken.columns or ()}
    answers = dict(zip([each.name for each in session.get_outputs()], run_foreign(source, session, given), strict=True))
    plain = problem.link == "sigmoid"
    chosen = choose_probability(source.name, proto, answers) if plain else choose(source.name, proto, answers, problem)
    if chosen.tensor and not _gives_as_it_is(proto, chosen, problem):
        _write_outputs(source.name, proto, chosen, problem, {each.name for each in encoder.inputs})
        data = proto.SerializeToString(deterministic=True)
    target.write_bytes(data)
    check_model(target, encoder, problem.outputs)
    gap = float(np.abs(open_model(target).score(rows) - chosen.scores).max())
    if not gap <= GAP:
        raise DataError(f"{source.name} scores otherwise once its other outputs are left out.", seen=gap, safe=SAFE)


def column_probes(encoder: Encoder) -> Columns:
    """Rows as serving may meet them: numbers of all sizes, texts long and empty, nothing known."""
    rng = np.random.default_rng(SEED)
    values = {each.name: _values(each, rng) for each in encoder.inputs}
    rows: list[dict[str, Any]] = [{name: column[row] for name, column in values.items()} for row in range(ROWS)]
    rows[0] = dict.fromkeys(values)
    found = encoder.encode_rows(rows)
    assert isinstance(found, Columns)
    return found


def _values(each: Input, rng: np.random.Generator) -> list[Any]:
    if each.dtype == "text":
        return [" ".join(rng.choice(WORDS, rng.integers(0, 30))) for _ in range(ROWS)]
    if each.dtype == "category":
        return [str(value) for value in rng.choice([*each.categories, UNSEEN], ROWS)]
    numbers = rng.normal(size=(ROWS, max(each.length, 1))) * rng.choice([1.0, 30.0, 1000.0], (ROWS, 1))
    if each.length:
        return list(numbers)
    if each.dtype == "bool":
        return [bool(number > 0) for number in numbers[:, 0]]
    return [float(number) for number in (np.round(numbers) if each.dtype == "int" else numbers)[:, 0]]


def _gives_as_it_is(proto: Any, chosen: Chosen, problem: Problem) -> bool:
    ports = outputs_of(proto)
    if len(ports) != 1 or ports[0].type != "FLOAT" or chosen.zipped:
        return False
    if len(problem.outputs) == 1:
        return ports[0].name == problem.outputs[0] and len(ports[0].axes or ()) == 1
    return chosen.column == tuple(range(len(problem.outputs))) and len(ports[0].axes or ()) == 2


def _write_outputs(source: str, proto: Any, chosen: Chosen, problem: Problem, inputs: set[str]) -> None:
    """Change the graph in place."""
    from onnx import TensorProto, helper

    output = problem.outputs[0] if len(problem.outputs) == 1 else OUTPUTS
    if output in inputs:
        raise DataError(
            f"{source} has an input that bears the name of the output, {output!r}.", seen=output, safe=SAFE,
            hint="give the feature another name.",
        )  # fmt: skip
    graph, names = proto.graph, Names(proto.graph)
    names.set_free(output)
    kept = [node for node in graph.node if not chosen.zipped or chosen.zipped not in node.output]
    after = nodes_after(names.now(chosen.tensor), chosen.column, names, output)
    del graph.node[:]
    graph.node.extend([*kept, *after])
    shape: list[str | int | None] = ["n"] if len(problem.outputs) == 1 else ["n", len(problem.outputs)]
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
