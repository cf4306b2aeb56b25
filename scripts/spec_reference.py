"""Writes docs/reference/spec.md, the reference of every field of a model's spec, from the classes of `include.core.spec`.

Types, defaults and bounds are those of the classes; the explanations are the docstrings below the fields.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "spec.md"

# Where a section stands in a spec, and its class.
PARTS = {
    "": "ModelSpec",
    "problem, the default kind": "Binary",
    "problem.costs of a Binary": "Costs",
    "problem, of a number": "Regression",
    "problem, of several classes": "MultiClass",
    "problem, of candidates in an order": "Ranking",
    "data": "Data",
    "data.retention": "Retention",
    "data.retention.versions": "VersionsKept",
    "data.warehouse, by Athena": "Athena",
    "data.warehouse, by Redshift": "Redshift",
    "data.warehouse, by EMR Serverless": "EmrServerless",
    "features": "Features",
    "features.views": "View",
    "features.views.features, features.request": "Feature",
    "streams": "Streams",
    "streams.sources": "EventSource",
    "streams.sources.columns": "Column",
    "streams.finished": "FinishedView",
    "training": "Training",
    "training.search": "Search",
    "training.search.space, a number": "Float",
    "training.search.space, a whole number": "Integer",
    "training.search.space, one of a few values": "Choice",
    "training.privacy": "PrivateTraining",
    "training.workers, where they may come and go": "Workers",
    "evaluation": "Evaluation",
    "evaluation.robustness": "Robustness",
    "fairness": "Fairness",
    "fairness.attributes": "Attribute",
    "fairness.limits": "Limit",
    "evaluation.explanations": "Explanations",
    "evaluation.privacy": "MembershipCheck",
    "rollout": "Rollout",
    "rollout.approval, by persons": "Approval",
    "rollout.outcomes": "BusinessMetric",
    "experiments": "Experiment",
    "experiments.primary, experiments.secondaries": "Metric",
    "experiments.guardrails": "Guardrail",
    "monitoring": "Monitoring",
    "retraining": "Retraining",
    "serving": "Serving",
    "serving.endpoint": "Endpoint",
    "serving.explain": "Explain",
    "scoring": "Scoring",
    "objectives": "Objectives",
    "triggers": "Triggers",
    "cost": "Cost",
    "a feature set, which models read": "FeatureSet",
}

HEAD = """\
# The spec

What a model declares in its `spec.py`: `SPEC = ModelSpec(...)`. By example: [authoring](../authoring.md). All times are UTC.
A field that is not listed here, a wrong type or a value outside the bounds is refused when the spec is read.

Written by `scripts/spec_reference.py` from the docstrings in `include/core/spec`: do not edit.

| type | is |
|---|---|
| `Name` | lower case letters, digits and `_`, starting with a letter, at most 63 characters |
| `ColumnType` | `"text"`, `"int"`, `"float"`, `"bool"` or `"time"` |
| `Reference` | an import string, `"package.module:name"` |
| `Cron` | a cron expression of five fields, or a preset such as `"@weekly"` |
| `DailyCron` | a cron expression that fires exactly once in every day |
| `Dtype` | `"float"`, `"int"`, `"bool"`, `"category"`, `"text"` or `"vector[n]"`, such as `"vector[64]"` |
| `Count` | `int`, at least 1 |
| `timedelta` | a span of time, such as `timedelta(days=7)` |
"""

BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(place, part) for place, part in parts().items())])


def parts() -> dict[str, type[BaseModel]]:
    """The classes of a spec's sections, by where they stand in it."""
    import include.core.spec as sections

    return {place: getattr(sections, name) for place, name in PARTS.items()}


def documented(part: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Each field of a part of the spec: its annotation as it is written, and its docstring on one line (empty without one).

    Its own fields first, then those of the class that it stands on.
    """
    found = _documented(part)
    for base in part.__mro__[1:]:
        if base.__module__.startswith("include.core.spec.") and issubclass(base, BaseModel):
            found |= {name: texts for name, texts in _documented(base).items() if name not in found}
    return {name: texts for name, texts in found.items() if name in part.model_fields}


def _documented(part: type[BaseModel]) -> dict[str, tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, tuple[str, str]] = {}
    for node, after in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = (ast.unparse(node.annotation), _docstring(after))
    return found


def _docstring(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def _section(place: str, part: type[BaseModel]) -> str:
    heading = f"{part.__name__}: {place}" if place else part.__name__
    rows = [
        f"| `{name}` | {_type(annotation, part.model_fields[name])} | {_default(part.model_fields[name])} | {_cell(text)} |"
        for name, (annotation, text) in documented(part).items()
    ]
    table = "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])
    return f"## {heading}\n\n{inspect.getdoc(part)}\n\n{table}\n"


def _type(annotation: str, field: FieldInfo) -> str:
    written = annotation.replace("'", '"')
    return ", ".join([f"`{_cell(written)}`", *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for constraint in field.metadata:
        for name, words in BOUNDS.items():
            limit = getattr(constraint, name, None)
            if limit is not None:
                yield words.format(_span(limit) if isinstance(limit, timedelta) else f"{limit:,}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel):
        return f"`{type(value).__name__}()`"
    if isinstance(value, timedelta):
        return _span(value)
    return f"`{value!r}`".replace("'", '"')


def _span(value: timedelta) -> str:
    """A span of time as one says it: 30 minutes, 60 days."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit, length in (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)):
        if milliseconds and milliseconds % length == 0:
            count = milliseconds // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "0"


def _cell(text: str) -> str:
    """Text that cannot end a cell of a Markdown table."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page())
