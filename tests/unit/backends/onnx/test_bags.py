from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from include.backends.onnx.bags import Graph, spellings, tokens
from include.backends.onnx.model import open_model
from include.model_contract.batch import Columns

WORDS = {"good": 1, "Good": 1, "good,": 1, "bad": 2, "very": 3}
PAIRS = {(3, 1): 4, (3, 2): 5}
TABLE = np.array([[0, 0], [1, 0], [-1, 0], [0, 0.5], [2, 0], [-2, 0]], dtype=np.float32)


def _file(path: Path) -> Path:
    """Sums of words and pairs, and how many there are."""
    graph = Graph()
    words = graph.numbers_of("text", WORDS)
    pairs = graph.pairs_of(words, 4, PAIRS)
    summed = graph.node("Add", graph.sums(words, TABLE), graph.sums(pairs, TABLE))
    counted = graph.node("Add", graph.counts(words), graph.counts(pairs))
    made = graph.node("Concat", summed, counted, axis=1)
    path.write_bytes(graph.model({"text": "string"}, made, "made", 3).SerializeToString())
    return path


CASES = {
    "good": [1, 0, 1],
    "Good good, nothing": [2, 0, 2],
    "very good": [3, 0.5, 3],
    "  very   bad  ": [-3, 0.5, 3],
    "very\ngood": [1, 0.5, 2],  # no pair goes over the end of a line
    "good very nothing good": [2, 0.5, 3],  # nor over what is unknown
    "\n\nvery good\n": [3, 0.5, 3],
    "": [0, 0, 0],
    " \n \n": [0, 0, 0],
    "☃ 你好 \t": [0, 0, 0],
    "very " * 3000 + "good": [3, 1500, 3002],
}


def test_each_text_is_the_sum_of_what_it_holds(tmp_path: Path) -> None:
    model = open_model(_file(tmp_path / "model.onnx"))
    for text, expected in CASES.items():
        assert model.score(Columns({"text": np.array([text], dtype=object)})).tolist() == [expected], text
    together = model.score(Columns({"text": np.array([*CASES], dtype=object)}))
    assert together.tolist() == list(CASES.values())  # whatever the longest of them is


@pytest.mark.parametrize("text", [*CASES, "a\tb\x0bc\u00a0d e\r\nf"])
def test_tokens_are_what_the_graph_splits(text: str) -> None:
    graph = Graph()
    vocabulary = {token: number for number, token in enumerate(sorted({t for line in tokens(text) for t in line}), 1)} or {"x": 1}
    found = graph.counts(graph.numbers_of("text", vocabulary))
    one = graph.node("Flatten", found, axis=1)
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.model({"text": "string"}, one, "made", 1).SerializeToString())
    (count,) = session.run(None, {"text": np.array([text], dtype=object)})
    assert count.item() == sum(map(len, tokens(text)))


def test_spellings_of_a_word() -> None:
    found = spellings(["dress"])
    assert {found[each] for each in ("dress", "Dress", "DRESS!", "dress,")} == {"dress"}
    assert "dresses" not in found
