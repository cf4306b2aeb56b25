"""From an XGBoost model in its JSON format to the ONNX file that Slipstream serves. Needs no XGBoost.

The format: doc/model.schema of XGBoost. Of a branch `split_conditions` is the threshold (a row goes left if its value is below,
both float32), of a leaf what it adds; `default_left` says where a missing value goes; `base_score` is a probability.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from include.backends.onnx.trees import Tree, write_trees
from include.core.errors import DataError

OBJECTIVES = ("binary:logistic", "reg:logistic")
SAFE = "nothing was registered."


def convert(source: Path, inputs: Sequence[str], target: Path) -> None:
    """Write the model of a JSON file as ONNX. `inputs`: the names of the spec's, in their order.

    Raises DataError for a file that is no such model, for one of other inputs, or whose trees are of a kind that is not read.
    """
    learner = _learner(source)
    _check_objective(source.name, learner)
    _check_inputs(source.name, learner, inputs)
    booster = learner["gradient_booster"]
    _check_booster(source.name, learner, booster)
    try:
        trees = [_tree(each) for each in booster["model"]["trees"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise _broken(source.name, error) from error
    write_trees(trees, "BRANCH_LT", target, inputs=len(inputs), base=_margin(source.name, learner))


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


def _check_objective(name: str, learner: Mapping[str, Any]) -> None:
    objective, parameters = learner["objective"]["name"], learner["learner_model_param"]
    several = int(parameters.get("num_class", 0)) > 1 or int(parameters.get("num_target", 1)) > 1
    if objective not in OBJECTIVES or several:
        raise DataError(
            f"{name} does not predict the probability of one label: its objective is {objective}.",
            seen={"objective": objective, **{key: parameters.get(key) for key in ("num_class", "num_target")}},
            safe=SAFE,
            hint=f"train it with one of {', '.join(OBJECTIVES)}.",
        )


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


def _margin(name: str, learner: Mapping[str, Any]) -> float:
    """What every row begins with, before the sigmoid. Releases from 3.1 on write a list of one."""
    text = str(learner["learner_model_param"].get("base_score", "0.5")).strip("[]")
    try:
        score = float(text)
        return -math.log(1 / score - 1)
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"{name} has a base score that is no probability.", seen=text, safe=SAFE, hint="train it with base_score in 0..1."
        ) from error
