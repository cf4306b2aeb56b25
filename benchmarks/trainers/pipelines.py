"""What is fitted with the project's own libraries: scikit-learn on one tensor and on columns, torch; each through a real job."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.spec import AnyKind, Binary, Feature, MultiClass, Ranking, Regression
from include.core.storage import LocalStorage
from include.model_contract.encoder import Encoder, Form
from include.training.checkpoint import CheckpointStore
from include.training.job import Rows, TrainingJob

ROWS, TRAIN = 10_000, 4_000
CLASSES = MultiClass(classes=("1", "2", "3", "4", "5"))
WORDS: tuple[str, ...] = (
    "The", "dress", "fits", "well,", "but", "its", "Colour's", "is", "NOT", "what", "I", "saw;", "and", "after", "2", "washes",
    "a", "seam-line", "came", "loose...", "größe", "ÜBER", "naïve", "it's", "don't", "100%", "x2", "☃",
    "perfect", "poor", "soft", "cheap", "lovely", "returned", "again", "size", "small", "large",
)  # fmt: skip
FEATURES = (
    Feature(name="review", dtype="text"), Feature(name="age"), Feature(name="visits", dtype="int", default=0),
    Feature(name="department", dtype="category"), Feature(name="embedding", dtype="vector[4]"),
    Feature(name="member", dtype="bool"),
)  # fmt: skip
NUMBERS = tuple(each for each in FEATURES if each.name != "review")


def table(seed: int, count: int) -> pa.Table:
    draw = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if draw.random() < 0.05 else value

    columns: Mapping[str, pa.Array] = {
        "review": pa.array([maybe(" ".join(draw.choices(WORDS, k=draw.randint(0, 40)))) for _ in range(count)], pa.string()),
        "age": pa.array([maybe(draw.random() * 80) for _ in range(count)], pa.float64()),
        "visits": pa.array([maybe(draw.randrange(100)) for _ in range(count)], pa.int64()),
        "department": pa.array([maybe(draw.choice(["dresses", "tops", "shoes"])) for _ in range(count)], pa.string()),
        "embedding": pa.array([[draw.random() for _ in range(4)] for _ in range(count)], pa.list_(pa.float32())),
        "member": pa.array([maybe(draw.random() < 0.5) for _ in range(count)], pa.bool_()),
    }
    return pa.table(columns)


def value_of(rows: pa.Table) -> Any:
    """float64 [n]: what the labels are made of."""
    age = np.nan_to_num(rows["age"].to_numpy().astype(np.float64))
    embedding = np.array(rows["embedding"].to_pylist())
    perfect = np.array(["perfect" in (text or "") for text in rows["review"].to_pylist()])
    noise = np.random.default_rng(len(rows)).normal(size=len(rows))
    value: Any = age / 20 + 3 * embedding[:, 0] + perfect + 0.3 * noise
    return value


def job_of(problem: AnyKind, form: Form) -> TrainingJob:
    """Trained on TRAIN rows; its ROWS others are those of the parity."""
    features = FEATURES if form == "columns" else NUMBERS
    tables = (table(1, TRAIN), table(2, ROWS))
    encoder = Encoder.fit(tables[0], features, "y", form)
    stated = {} if problem == Binary() else {"problem": problem.model_dump(mode="json")}
    train, other = (_rows(encoder, each, problem) for each in tables)
    folder = Path(mkdtemp())
    store = CheckpointStore(LocalStorage(str(folder / "storage")), "checkpoints")
    return TrainingJob(train, other, {**encoder.to_json(), **stated}, {}, store, folder / "model.onnx")


def _rows(encoder: Encoder, rows: pa.Table, problem: AnyKind) -> Rows:
    value = value_of(rows)
    cuts = np.quantile(value, [0.2, 0.4, 0.6, 0.8])
    made = {
        "Binary": value > cuts[2], "MultiClass": np.digitize(value, cuts), "Ranking": np.digitize(value, cuts[1:]),
        "Regression": value * 10,
    }  # fmt: skip
    labels = made[type(problem).__name__].astype(np.float32)
    columns = encoder.encode_columns(rows) if encoder.form == "columns" else None
    queries = np.arange(len(rows)) // 10 if isinstance(problem, Ranking) else None
    return Rows(encoder.encode_matrix(rows), labels, columns, None, queries)


Fit = Callable[[TrainingJob], None]


def cases() -> Iterator[tuple[str, str, AnyKind, Form, Fit]]:
    """Trainer, kind, problem, form, and the author's fit."""
    kinds: dict[str, AnyKind] = {
        "binary": Binary(), "multiclass": CLASSES, "regression": Regression(scale=10.0),
        "regression with an interval": Regression(scale=10.0, interval=0.9), "ranking": Ranking(query="q", item="i"),
    }  # fmt: skip
    for kind, problem in kinds.items():
        yield "scikit-learn, one tensor", kind, problem, "tensor", _sklearn
        yield "scikit-learn, TF-IDF and columns", kind, problem, "columns", _pipeline
        yield "torch", kind, problem, "tensor", _torch


def _sklearn(job: TrainingJob) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    from include.backends.sklearn.trainer import finish

    if job.problem.outputs_add_up or isinstance(job.problem.value, Binary):
        finish(HistGradientBoostingClassifier(max_iter=60).fit(job.train.features, job.train.labels), job)
        return
    made = {
        name: HistGradientBoostingRegressor(loss="quantile", quantile=quantile, max_iter=60)
        for name, quantile in zip(("value", "low", "high"), (0.5, 0.05, 0.95), strict=True)
    }
    if len(job.outputs) == 1:
        finish(HistGradientBoostingRegressor(max_iter=60).fit(job.train.features, job.train.labels), job)
        return
    finish({name: each.fit(job.train.features, job.train.labels) for name, each in made.items()}, job)


def _pipeline(job: TrainingJob) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from include.backends.sklearn.trainer import finish, frame

    def made(final: Any) -> Any:
        numbers = ["age", "visits", "member", *(f"embedding[{place}]" for place in range(4))]
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        parts = [
            ("words", words, "review"), ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("codes", OneHotEncoder(handle_unknown="ignore"), ["department"]),
        ]  # fmt: skip
        model = Pipeline([("columns", ColumnTransformer(parts)), ("final", final)])
        return model.fit(frame(job.train), job.train.labels)

    if job.problem.outputs_add_up or isinstance(job.problem.value, Binary):
        finish(made(LogisticRegression(max_iter=300)), job)
    elif len(job.outputs) == 1:
        finish(made(Ridge()), job)
    else:
        finish({name: made(Ridge(alpha=alpha)) for name, alpha in zip(job.outputs, (1.0, 10.0, 100.0), strict=True)}, job)


def _torch(job: TrainingJob) -> None:
    import torch
    from torch import nn

    from include.backends.lightning.torch_trainer import finish

    torch.manual_seed(job.seed)
    outputs, interval = len(job.outputs), not job.problem.outputs_add_up and len(job.outputs) == 3

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(len(job.inputs), 32), nn.ReLU(), nn.Linear(32, outputs))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.layers(torch.nan_to_num(features).clamp(-100, 100) / 10)
            if not interval:
                return found
            width = nn.functional.softplus(found[:, 1:])
            return torch.stack([found[:, 0], found[:, 0] - width[:, 0], found[:, 0] + width[:, 1]], dim=1)

    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    rows, labels = torch.tensor(job.train.features), torch.tensor(job.train.labels)
    for _ in range(60):
        found = network(rows)
        if job.problem.outputs_add_up:
            loss = nn.functional.cross_entropy(found, labels.long())
        elif isinstance(job.problem.value, Binary):
            loss = nn.functional.binary_cross_entropy_with_logits(found[:, 0], labels)
        else:
            loss = (found - labels[:, None]).abs().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    finish(network, job)
