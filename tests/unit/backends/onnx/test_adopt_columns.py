"""Files of columns that were made elsewhere, for models that take columns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from include.backends.onnx.adopt import adopt
from include.backends.onnx.adopt_columns import adopt_columns
from include.backends.onnx.model import open_model
from include.backends.sklearn.texts import mend_texts, text_options
from include.core.errors import DataError
from include.model_contract.encoder import Encoder, Input
from include.problems.of import problem_of
from tests.support.trained_jobs import KINDS, job_of


def foreign(kind: str, folder: Path, **options: Any) -> tuple[Path, Any, Any]:
    """A pipeline's file as skl2onnx writes it, its job, and what the pipeline predicts."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    from include.backends.sklearn.trainer import frame

    job = job_of(kind, folder, "columns")
    rows = frame(job.train)[["review", "member"]].assign(member=lambda known: known["member"].astype(np.float32))
    parts = [("words", TfidfVectorizer(), "review"), ("numbers", "passthrough", ["member"])]
    model = Pipeline([("columns", ColumnTransformer(parts)), ("final", LogisticRegression())]).fit(rows, job.train.labels)
    types = [("review", StringTensorType([None, 1])), ("member", FloatTensorType([None, 1]))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = to_onnx(
            model, initial_types=types, options={**text_options(model), id(model.steps[-1][1]): options}, target_opset=17
        )
    mend_texts(model, proto)
    (folder / "foreign.onnx").write_bytes(proto.SerializeToString())
    return folder / "foreign.onnx", job, model.predict_proba(rows)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_label_and_a_list_of_dictionaries_are_left_out(tmp_path: Path, kind: str, zipped: bool) -> None:
    path, job, expected = foreign(kind, tmp_path, zipmap=zipped)
    if kind == "multiclass":  # its classes are places: those of the problem are named so
        assert len(onnx.load(path).graph.output) == 2
        problem = problem_of(type(KINDS[kind])(classes=("0", "1", "2")))
    else:
        problem = problem_of(KINDS[kind])
    adopt_columns(path, job.encoder, tmp_path / "served.onnx", problem)
    found = open_model(tmp_path / "served.onnx").score(job.train.given)
    assert np.abs(found - (expected[:, 1] if kind == "binary" else expected)).max() < 1e-5


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    path, _, _ = foreign("binary", tmp_path, zipmap=False)
    with pytest.raises(DataError, match=r"'member' .* there is no such input"):
        adopt_columns(path, Encoder((Input("review", "text"),), "y", "columns"), tmp_path / "served.onnx")


def test_in_one_tensor_a_vector_has_its_places(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["v"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["mean", "x"], ["both"]),
        helper.make_node("Sigmoid", ["both"], ["p"]),
    ]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", ["n"]), ("v", ["n", 2]))]
    graph = helper.make_graph(nodes, "g", ports, [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n"])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    encoder = Encoder((Input("x", "float", 0.0), Input("v", "vector[2]", (0.0, 0.0))), "y")
    adopt(tmp_path / "m.onnx", encoder, tmp_path / "served.onnx")
    found = open_model(tmp_path / "served.onnx").score(encoder.encode_rows([{"x": 2.0, "v": [1.0, 3.0]}]))
    assert found == pytest.approx(1 / (1 + np.exp(-4.0)))
