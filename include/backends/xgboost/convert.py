"""From an XGBoost model in its JSON format to the ONNX file that Slipstream serves. Needs no XGBoost.

The format: doc/model.schema of XGBoost. Of a branch `split_conditions` is the threshold (a row goes left if its value is below,
both float32), of a leaf what it adds; `default_left` says where a missing value goes; `base_score` is in the unit of what it
predicts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include.backends.onnx.trees import Ensemble, Link, Tree, write_ensemble
from include.core.errors import DataError

SCORE = ("score",)
OBJECTIVES = ("binary:logistic", "reg:logistic")
RANKINGS = ("rank:ndcg", "rank:map", "rank:pairwise")
_IDENTITY = ("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror")
LINKS: Mapping[str, Link] = {
    **dict.fromkeys(OBJECTIVES, "sigmoid"), **dict.fromkeys((*_IDENTITY, *RANKINGS), "identity"),
    **dict.fromkeys(("reg:gamma", "reg:tweedie", "count:poisson"), "exp"),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), "softmax"),
}  # fmt: skip
SAFE = "nothing was registered."


def convert(source: Path, inputs: Sequence[str], target: Path, outputs: Sequence[str] = SCORE) -> None:
    """Write the model of a JSON file as ONNX.

    :param inputs: the names of the spec's, or of the tensor's places, in their order
    :param outputs: the names of the problem's: `score` takes a model of objective `binary:logistic` or a ranking's, `value` one
        of a regression, several those of `multi:softprob`
    Raises DataError for a file that is no such model, for one of other inputs, or whose trees are of a kind that is not read.
    """
    ensemble = read_ensemble(source, inputs, len(outputs), binary=tuple(outputs) == SCORE)
    write_ensemble(ensemble, target, inputs=len(inputs), output=outputs[0] if len(outputs) == 1 else "outputs")


def read_ensemble(source: Path, inputs: Sequence[str], outputs: int, *, binary: bool) -> Ensemble:
    """`binary`: whether it must be the probability of one label, or a ranking's score. Raises DataError."""
    learner = _learner(source)
    link = _link(source.name, learner, outputs, binary=binary)
    _check_inputs(source.name, learner, inputs)
    booster = learner["gradient_booster"]
    _check_booster(source.name, learner, booster)
    try:
        trees = [_tree(each) for each in booster["model"]["trees"]]
        of = booster["model"]["tree_info"] if outputs > 1 else [0] * len(trees)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _broken(source.name, error) from error
    mine = [[tree for tree, place in zip(trees, of, strict=True) if place == output] for output in range(outputs)]
    return Ensemble(mine, "BRANCH_LT", _margins(source.name, learner, link, outputs), link)


def _learner(source: Path) -> Mapping[str, Any]:
    try:
        model = json.loads(source.read_bytes())
        learner: Mapping[str, Any] = model["learner"]
        for name in ("gradient_booster", "learner_model_param", "objective"):
            learner[name]["name" if name != "learner_model_param" else "num_feature"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _broken(source.name, error) from error
    return learner


def _broken(name: str, error: Exception) -> DataError:
    return DataError(
        f"{name} is no XGBoost model in JSON: {type(error).__name__} {str(error)[:100]}.",
        safe=SAFE,
        hint="write it with booster.save_model('model.json').",
    )


def _link(name: str, learner: Mapping[str, Any], outputs: int, *, binary: bool) -> Link:
    """From the sum of the leaves to what it predicts."""
    objective, parameters = learner["objective"]["name"], learner["learner_model_param"]
    several = max(int(parameters.get("num_class", 0)), int(parameters.get("num_target", 1)))
    seen = {"objective": objective, **{key: parameters.get(key) for key in ("num_class", "num_target")}}
    if binary and (several > 1 or objective not in (*OBJECTIVES, *RANKINGS)):
        raise DataError(
            f"{name} does not predict the probability of one label: its objective is {objective}.",
            seen=seen, safe=SAFE, hint=f"train it with one of {', '.join(OBJECTIVES)}.",
        )  # fmt: skip
    if objective not in LINKS or several != outputs or (several > 1 and LINKS[objective] != "softmax"):
        raise DataError(
            f"{name} gives {several} numbers a row by the objective {objective}; the problem has {outputs}.",
            seen=seen, safe=SAFE, hint=f"train it with one of {', '.join(LINKS)}.",
        )  # fmt: skip
    return LINKS[objective]


def _check_inputs(name: str, learner: Mapping[str, Any], inputs: Sequence[str]) -> None:
    count, names = int(learner["learner_model_param"]["num_feature"]), list(learner.get("feature_names") or [])
    if count != len(inputs) or (names and names != list(inputs)):
        raise DataError(
            f"{name} does not take the inputs of the spec. Expected, in this order: {', '.join(inputs)}.",
            seen=names or f"{count} features without names",
            safe=SAFE,
            hint="train it on the columns of the spec, in its order.",
        )
    if "c" in (learner.get("feature_types") or ()):
        raise _unread(name, "features of the type category", "encode categories as numbers, by the codes of the spec")


def _check_booster(name: str, learner: Mapping[str, Any], booster: Mapping[str, Any]) -> None:
    if booster["name"] != "gbtree":
        raise _unread(name, f"a booster {booster['name']!r}", "train it with booster='gbtree'")
    model = booster.get("model", {})
    rounds = len(model.get("iteration_indptr", ())) - 1
    best = (learner.get("attributes") or {}).get("best_iteration")
    if best is not None and rounds > 0 and int(best) + 1 != rounds:
        raise DataError(
            f"{name} was stopped early: its best round is {best} of {rounds}, and a file does not say which rounds predict.",
            seen={"best_iteration": best, "rounds": rounds},
            safe=SAFE,
            hint=f"write the rounds that predict: booster[: {int(best) + 1}].save_model('model.json').",
        )
    for tree in model.get("trees", ()):
        if any(tree.get("split_type", ())):
            raise _unread(name, "splits by category", "encode categories as numbers, by the codes of the spec")
        if int(tree.get("tree_param", {}).get("size_leaf_vector", 1)) > 1:
            raise _unread(name, "leaves of several values", "train it with multi_strategy='one_output_per_tree'")


def _unread(name: str, what: str, hint: str) -> DataError:
    return DataError(f"{name} has {what}, which is not read here.", safe=SAFE, hint=f"{hint}, or export it as ONNX.")


def _tree(tree: Mapping[str, Any]) -> Tree:
    """The nodes that can be reached: a tree that was pruned keeps the others in its arrays."""
    made = Tree()
    pending = [(0, -1, "left")]
    while pending:
        node, parent, side = pending.pop()
        if len(made.left) > len(tree["left_children"]):
            raise ValueError("a node is its own descendant")
        left, right, value = tree["left_children"][node], tree["right_children"][node], float(tree["split_conditions"][node])
        if left == -1:
            place = made.leaf(value)
        else:
            missing_left = bool(tree["default_left"][node])
            place = made.branch(int(tree["split_indices"][node]), value, missing_left=missing_left)
            pending += [(right, place, "right"), (left, place, "left")]
        if parent >= 0:
            getattr(made, side)[parent] = place
    return made


def _margins(name: str, learner: Mapping[str, Any], link: Link, outputs: int) -> list[float]:
    """What every row begins with, before the link. Releases from 3.1 on write a list: of one, or one an output."""
    text = str(learner["learner_model_param"].get("base_score", "0.5"))
    try:
        scores = [float(each) for each in text.strip("[]").split(",")]
        if len(scores) not in (1, outputs):
            raise ValueError(text)
        found = [_margin(score, link) for score in scores]
    except (ValueError, ZeroDivisionError) as error:
        what, hint = ("probability", "train it with base_score in 0..1.") if link == "sigmoid" else ("number", "train it again.")
        raise DataError(f"{name} has a base score that is no {what}.", seen=text, safe=SAFE, hint=hint) from error
    return found if len(found) == outputs else found * outputs


def _margin(score: float, link: Link) -> float:
    if link == "sigmoid":
        return -math.log(1 / score - 1)
    return math.log(score) if link == "exp" else score
