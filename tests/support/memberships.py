"""Training sets and holdouts, with and without drift, and models that learn them by heart or not: for attacks on membership."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from include.core.spec import Binary, Feature, MembershipCheck
from include.evaluation.privacy_check import Known, Side, privacy
from include.model_contract.encoder import Encoder
from include.problems.of import problem_of
from include.step_values.privacy import PrivacyValue

FEATURES = tuple(Feature(name=f"x{place}") for place in range(8))
DAY = 86_400_000_000
VALIDATION = 0.1


def table(rows: int, seed: int, first_day: int, days: int, drift: float) -> pa.Table:
    """Rows by day. `drift`: by how much labels get noisier and features move from day 0 to day 100."""
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(first_day, first_day + days, rows))
    moved = drift * day / 100
    inputs = draw.normal(size=(rows, len(FEATURES))) + moved[:, None] * 0.5
    score = (inputs[:, 0] + inputs[:, 1] * inputs[:, 2] + 0.5 * inputs[:, 3]) * (1 - 0.6 * moved)
    label = draw.random(rows) < 1 / (1 + np.exp(-1.5 * score))
    columns: dict[str, Any] = {f"x{place}": inputs[:, place] for place in range(len(FEATURES))}
    moments = day * DAY + draw.integers(0, DAY, rows)
    return pa.table({**columns, "event_timestamp": pa.array(moments, pa.timestamp("us")), "late": label.astype(np.int8)})


def fitted(kind: str, inputs: np.ndarray, labels: np.ndarray, seed: int) -> Any:
    """`by_heart`: a forest of whole trees; `network`: far too large, to its end. `leaves`, `small`: the same, regularised."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    models: dict[str, Any] = {
        "by_heart": RandomForestClassifier(60, min_samples_leaf=1, random_state=seed),
        "leaves": RandomForestClassifier(60, min_samples_leaf=150, max_features=0.5, random_state=seed),
        "network": MLPClassifier((128,), alpha=0.0, max_iter=150, tol=0.0, learning_rate_init=0.01, random_state=seed),
        "small": MLPClassifier((16,), alpha=0.1, max_iter=60, early_stopping=True, random_state=seed),
    }
    return models[kind].fit(inputs, labels)


def attacked(kind: str, seed: int, drift: float = 0.0, rows: int = 6000) -> PrivacyValue:
    """What the check says of a model of that kind."""
    train, holdout = table(rows, 2 * seed, 0, 70, drift), table(rows // 3, 2 * seed + 1, 77, 28, drift)
    encoder, problem = Encoder.fit(train, FEATURES, "late"), problem_of(Binary())
    encoded = [encoder.encode_tensor(each) for each in (train, holdout)]
    sides = [Side(each, problem.truth(each, "late"), rows, rows) for each, rows in zip((train, holdout), encoded, strict=True)]
    seen = int(len(sides[0].truth) * (1 - VALIDATION))
    order = np.argsort(train["event_timestamp"].to_numpy(), kind="stable")[:seen]
    model = fitted(kind, sides[0].numbers[order], sides[0].truth.labels[order], seed)

    def score(encoded: Any) -> np.ndarray:
        return np.asarray(model.predict_proba(encoded)[:, 1])

    return privacy(score, encoder, sides[0], sides[1], Known(1 - VALIDATION), MembershipCheck(rows=2000, seed=seed), problem)
