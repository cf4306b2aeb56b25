"""From a LightGBM model in its text format to the ONNX file that Slipstream serves. Needs no LightGBM.

The format is what `Booster.save_model` writes (GBDT::SaveModelToString, Tree::ToString). A row goes left if its value is at most
the threshold. Children below 0 are leaves, ~number. `decision_type`: bit 0 a split by category, bit 1 missing goes left, bits 2
and 3 what counts as missing (0 nothing: NaN is read as 0; 1 zero; 2 NaN). The leaves have the learning rate in them already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from include.backends.onnx.trees import Ensemble, Link, Tree, write_ensemble
from include.core.errors import DataError

SAFE = "nothing was registered."
CATEGORY, DEFAULT_LEFT = 1, 2
NONE, ZERO, NAN = 0, 1, 2
SCORE = ("score",)
RANKINGS = ("lambdarank", "rank_xendcg")
LINKS: Mapping[str, Link] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape", *RANKINGS), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"), "multiclass": "softmax",
}  # fmt: skip
Fields = Mapping[str, str]


def convert(source: Path, inputs: Sequence[str], target: Path, outputs: Sequence[str] = SCORE) -> None:
    """Write the model of a text file as ONNX.

    :param inputs: the names of the spec's, or of the tensor's places, in their order
    :param outputs: the names of the problem's: `score` takes a model of objective `binary`, `value` one of a regression, several
        those of `multiclass`
    Raises DataError for a file that is no such model, for one of other inputs, or whose trees are of a kind that is not read.
    """
    ensemble = read_ensemble(source, inputs, len(outputs), binary=tuple(outputs) == SCORE)
    write_ensemble(ensemble, target, inputs=len(inputs), output=outputs[0] if len(outputs) == 1 else "outputs")


def read_ensemble(source: Path, inputs: Sequence[str], outputs: int, *, binary: bool) -> Ensemble:
    """`binary`: whether it must be the probability of one label. Raises DataError."""
    try:
        head, blocks = _blocks(source.read_text())
        _check_inputs(source.name, head, inputs)
        link, scale = _link(source.name, head, outputs, binary=binary)
        trees = [_tree(source.name, each) for each in blocks]
    except (KeyError, IndexError, ValueError) as error:
        raise DataError(
            f"{source.name} is no whole LightGBM model in text: {type(error).__name__} {str(error)[:100]}.",
            safe=SAFE,
            hint="write it with booster.save_model('model.txt').",
        ) from error
    # Of several outputs each iteration writes a tree each, in their order.
    return Ensemble([trees[place::outputs] for place in range(outputs)], "BRANCH_LEQ", [0.0] * outputs, link, scale)


def _blocks(text: str) -> tuple[Fields, Sequence[Fields]]:
    """The head, and the fields of each tree."""
    lines = text.splitlines()
    if not lines or lines[0] != "tree" or "end of trees" not in lines:
        raise ValueError("it does not begin with 'tree', or has no 'end of trees'")
    head: dict[str, str] = {}
    trees: list[dict[str, str]] = []
    for line in lines[1 : lines.index("end of trees")]:
        name, separator, value = line.partition("=")
        if name == "Tree":
            trees.append({})
        elif line:
            (trees[-1] if trees else head)[name] = value if separator else "yes"
    if len(trees) != len(head["tree_sizes"].split()):
        raise ValueError(f"{len(trees)} trees of {len(head['tree_sizes'].split())}")
    return head, trees


def _check_inputs(name: str, head: Fields, inputs: Sequence[str]) -> None:
    seen, count = head.get("feature_names", "").split(), int(head["max_feature_idx"]) + 1
    nameless = seen == [f"Column_{place}" for place in range(count)]
    if count != len(inputs) or not (nameless or seen == list(inputs)):
        raise DataError(
            f"{name} does not take the inputs of the spec. Expected, in this order: {', '.join(inputs)}.",
            seen=seen,
            safe=SAFE,
            hint="train it on the columns of the spec, in its order.",
        )


def _link(name: str, head: Fields, outputs: int, *, binary: bool) -> tuple[Link, float]:
    """From the sum of the leaves to what it predicts, and what the sum is multiplied by before."""
    objective, *options = head.get("objective", "none").split()
    link: Link | None = "sigmoid" if objective in ("binary", "cross_entropy") else LINKS.get(objective)
    several = int(head.get("num_tree_per_iteration", "1"))
    if binary and (objective != "binary" or several != 1) and objective not in RANKINGS:
        raise DataError(
            f"{name} does not predict the probability of one label: its objective is {objective}.",
            seen=head.get("objective"), safe=SAFE, hint="train it with objective='binary'.",
        )  # fmt: skip
    if link is None or several != outputs:
        raise DataError(
            f"{name} gives {several} numbers a row by the objective {objective}; the problem has {outputs}.",
            seen=head.get("objective"), safe=SAFE, hint=f"train it with one of {', '.join(('binary', *LINKS))}.",
        )  # fmt: skip
    if "average_output" in head:
        raise _unread(name, "the mean of its trees as output (boosting='rf')")
    if link == "identity" and "sqrt" in options:
        return "square", 1.0
    slopes = [float(option.partition(":")[2]) for option in options if option.startswith("sigmoid:")]
    return link, (slopes[0] if slopes and objective == "binary" else 1.0)


def _tree(name: str, fields: Fields) -> Tree:
    if int(fields.get("is_linear", "0")):
        raise _unread(name, "linear models in its leaves")
    leaves = _floats(fields["leaf_value"])
    if int(fields["num_leaves"]) != len(leaves):
        raise ValueError(f"{len(leaves)} leaves of {fields['num_leaves']}")
    made = Tree()
    if len(leaves) == 1:
        made.leaf(leaves[0])
        return made
    features, thresholds = _ints(fields["split_feature"]), _floats(fields["threshold"])
    kinds, sides = _ints(fields["decision_type"]), (_ints(fields["left_child"]), _ints(fields["right_child"]))
    pending = [(0, -1, "left")]
    while pending:
        node, parent, side = pending.pop()
        if len(made.left) > 2 * len(leaves):
            raise ValueError("a node is its own descendant")
        if node < 0:
            place = made.leaf(leaves[~node])
        else:
            missing = _missing_left(name, kinds[node], thresholds[node])
            place = made.branch(features[node], at_most(thresholds[node]), missing_left=missing)
            pending += [(sides[1][node], place, "right"), (sides[0][node], place, "left")]
        if parent >= 0:
            getattr(made, side)[parent] = place
    return made


def _missing_left(name: str, kind: int, threshold: float) -> bool:
    """Where a NaN goes."""
    if kind & CATEGORY:
        raise _unread(name, "splits by category")
    missing, default, zero_goes_left = kind >> 2 & 3, bool(kind & DEFAULT_LEFT), threshold >= 0
    if missing == NAN:
        return default
    if missing == ZERO and default != zero_goes_left:
        raise _unread(name, "zeros that count as missing (zero_as_missing)")
    return zero_goes_left  # a NaN is read as 0


def at_most(threshold: float) -> float:
    """The largest float32 that is not above a threshold: a float32 is at most the one exactly if it is at most the other."""
    near = np.float32(threshold)
    return float(np.nextafter(near, np.float32(-np.inf)) if float(near) > threshold else near)


def _unread(name: str, what: str) -> DataError:
    return DataError(
        f"{name} has {what}, which is not read here.", safe=SAFE, hint="train it without, on numbers, or export it as ONNX."
    )


def _ints(text: str) -> list[int]:
    return [int(part) for part in text.split()]


def _floats(text: str) -> list[float]:
    return [float(part) for part in text.split()]
