"""Writes docs/spec.md, the reference of every field of a model's spec: `python -m scripts.spec_reference`.

Types, defaults and bounds come from the classes of `include.core.spec`, the explanations from the docstrings below the fields.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from include.core.spec import (
    BusinessMetric,
    Data,
    Evaluation,
    Feature,
    Features,
    ModelSpec,
    Monitoring,
    Objectives,
    Retraining,
    Rollout,
    Serving,
    Training,
    Triggers,
    View,
)

TARGET = Path(__file__).resolve().parents[1] / "docs" / "spec.md"
COMMAND = "python -m scripts.spec_reference"

PARTS: dict[str, type[BaseModel]] = {
    "ModelSpec": ModelSpec,
    "data: Data": Data,
    "features: Features": Features,
    "features.views: View": View,
    "features.views.features, features.request: Feature": Feature,
    "training: Training": Training,
    "evaluation: Evaluation": Evaluation,
    "rollout: Rollout": Rollout,
    "rollout.outcomes: BusinessMetric": BusinessMetric,
    "monitoring: Monitoring": Monitoring,
    "retraining: Retraining": Retraining,
    "serving: Serving": Serving,
    "objectives: Objectives": Objectives,
    "triggers: Triggers": Triggers,
}

HEAD = f"""# The fields of a model's spec

<!-- Made by `{COMMAND}` from include/core/spec: edit the docstrings there, then run it again. -->

`SPEC = ModelSpec(...)` stands in `include/models/<name>/spec.py`; [authoring.md](authoring.md) shows how one is written.
All times are UTC. A field that is not listed here, a wrong type or a value outside the bounds is refused when the spec is read.

| type | is |
|---|---|
| `Name` | lower case letters, digits and `_`, starting with a letter, at most 63 characters |
| `Reference` | an import string, `"package.module:name"` |
| `Cron` | a cron expression of five fields, or a preset such as `"@weekly"` |
| `DailyCron` | a cron expression that fires exactly once in every day |
| `Dtype` | `"float"`, `"int"` or `"category"` |
| `timedelta` | a span of time, such as `timedelta(days=7)` |
"""

BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def reference() -> str:
    """The whole text of docs/spec.md."""
    return "\n".join([HEAD, *(_section(heading, part) for heading, part in PARTS.items())])


def documented(part: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Each field of a part of the spec: its annotation as it is written, and its docstring on one line (empty without one)."""
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


def _section(heading: str, part: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_type(annotation, part.model_fields[name])} | {_default(part.model_fields[name])} | {_cell(text)} |"
        for name, (annotation, text) in documented(part).items()
    ]
    table = "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])
    return f"## `{heading}`\n\n{inspect.getdoc(part)}\n\n{table}\n"


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
    TARGET.write_text(reference())
    print(f"written: {TARGET.name}")
