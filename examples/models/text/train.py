"""How the model learns: logistic regression over a bag of words, written as one ONNX file that takes the text as it is.

A text's words and pairs are weighted by how rare they are and divided by the root of how many there are; TF-IDF divides by the
length of the weighted vector instead, which needs the counts of each word. The file so needs no counts: it sums a row of five
numbers a word, which is what makes it fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack
from scipy.special import softmax

from include.backends.onnx.bags import Floats, Graph
from include.model_contract.batch import Columns
from include.training.job import TrainingJob

from .words import Vocabulary

if TYPE_CHECKING:
    from onnx import ModelProto
    from sklearn.linear_model import LogisticRegression


SCALE = 0.25  # of the bag beside the other columns, and so the strength of its regularisation
DOTS = " . "  # between title and text, so that no pair is made over the end of the title
STARS, SPREAD = 4.2, 0.4  # of garments: their mean, and about their standard deviation
ITERATIONS = 300
CLASSES, IMPOSSIBLE = 5, -20.0  # and the logit of one that was never seen


def fit(job: TrainingJob) -> None:
    from sklearn.linear_model import LogisticRegression

    rows, newer = job.train.columns, job.validation.columns
    assert rows is not None  # the spec says training.inputs="columns"
    assert newer is not None
    texts = texts_of(rows)
    vocabulary = Vocabulary.learn(texts, int(job.params["rarest_word"]), int(job.params["rarest_pair"]))
    counts = vocabulary.counts(texts)
    rarity = rarity_of(counts)
    model = LogisticRegression(C=float(job.params["C"]), max_iter=ITERATIONS, random_state=job.seed)
    model.fit(matrix(counts, rarity, rows["garment_stars"]), job.train.labels.astype(int))
    inputs = matrix(vocabulary.counts(texts_of(newer)), rarity, newer["garment_stars"])
    weights, offsets = of_all_classes(model)
    job.expect(softmax(inputs @ weights + offsets, axis=1))
    job.model_path.write_bytes(as_onnx(vocabulary, rarity, weights, offsets).SerializeToString())


def texts_of(rows: Columns) -> list[str]:
    return [f"{title}{DOTS}{review}" for title, review in zip(rows["title"], rows["review"], strict=True)]


def rarity_of(counts: csr_matrix) -> Floats:
    """The logarithm of how many texts there are for each that has the word: [size]."""
    texts = np.asarray((counts > 0).sum(axis=0)).ravel()
    found: Floats = (np.log((1 + counts.shape[0]) / (1 + texts)) + 1).astype(np.float32)
    return found


def matrix(counts: csr_matrix, rarity: Floats, stars: Floats) -> csr_matrix:
    many = np.asarray(counts.sum(axis=1)).ravel()
    bag = diags(SCALE / np.sqrt(np.maximum(many, 1))) @ counts @ diags(rarity)
    return hstack([bag, csr_matrix(((stars - STARS) / SPREAD).reshape(-1, 1))]).tocsr()


def of_all_classes(model: LogisticRegression) -> tuple[Floats, Floats]:
    """Weights [columns, 5] and offsets [5]; a class of which there was no row is all but impossible."""
    weights = np.zeros((model.coef_.shape[1], CLASSES), dtype=np.float32)
    offsets = np.full(CLASSES, IMPOSSIBLE, dtype=np.float32)
    weights[:, model.classes_], offsets[model.classes_] = model.coef_.T, model.intercept_
    return weights, offsets


def as_onnx(vocabulary: Vocabulary, rarity: Floats, weights: Floats, offsets: Floats) -> ModelProto:
    """`title`, `review` (text) and `garment_stars` [n] to `probabilities` [n, 5]."""
    rows = weights[:-1] * rarity[:, None] * SCALE
    rows[0] = 0.0
    graph = Graph()
    dots = graph.constant(DOTS, "object")
    text = graph.node("StringConcat", graph.node("StringConcat", "title", dots), "review")
    words = graph.numbers_of(text, vocabulary.tokens)
    pairs = graph.pairs_of(words, vocabulary.words + 1, vocabulary.pairs)
    bag = graph.node("Add", graph.sums(words, rows), graph.sums(pairs, rows))
    many = graph.node("Add", graph.counts(words), graph.counts(pairs))
    bag = graph.node("Div", bag, graph.node("Sqrt", graph.node("Max", many, graph.constant(1.0))))
    known = graph.node("Where", graph.node("IsNaN", "garment_stars"), graph.constant(STARS), "garment_stars")
    stars = graph.node("Div", graph.node("Sub", known, graph.constant(STARS)), graph.constant(SPREAD))
    stars = graph.node("Mul", graph.node("Unsqueeze", stars, graph.constant([1], "int64")), graph.constant(weights[-1:]))
    logits = graph.node("Add", graph.node("Add", bag, stars), graph.constant(offsets))
    made = graph.node("Softmax", logits, axis=1)
    return graph.model({"title": "string", "review": "string", "garment_stars": "float"}, made, "probabilities", 5)
