"""What every section of a spec stands on: the frozen base class, the types of names and references, and how errors read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from include.core.cron import cron, daily
from include.core.errors import SpecError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be lower case letters, digits and _, starting with a letter, at most 63")
    return value


def _reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError("must look like 'package.module:name'")
    return value


def _given_reference(value: str) -> str:
    return _reference(value) if value else value


def _given_name(value: str) -> str:
    return _name(value) if value else value


Name = Annotated[str, AfterValidator(_name)]
OptionalName = Annotated[str, AfterValidator(_given_name)]
Reference = Annotated[str, AfterValidator(_reference)]
OptionalReference = Annotated[str, AfterValidator(_given_reference)]
Cron = Annotated[str, AfterValidator(cron)]
DailyCron = Annotated[str, AfterValidator(daily)]


class Frozen(BaseModel):
    """A frozen part of the spec. Making one, or reading one back, raises SpecError where a field is wrong.

    The docstring below each field is what editors show, and what docs/reference/spec.md is made from. pydantic is not asked to
    read them (`use_attribute_docstrings`): it would search the source of every class at each import, which doubles the time
    that importing the spec takes while DAGs are parsed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SpecError(_explain(type(self), values, error)) from error

    # Without this mark pydantic would call __init__ for the parts of a spec that are written as dicts too, and the
    # first wrong part would hide the place of its field, and every other mistake.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise SpecError(_explain(cls, obj if isinstance(obj, dict) else {}, error)) from error

    @classmethod
    def heading(cls, values: Mapping[str, Any]) -> str:
        """What an error about this part, made from `values`, begins with."""
        named = f"name={values['name']!r:.80}" if "name" in values else "..."
        return f"{cls.__name__}({named}) in a model's spec"

    @classmethod
    def whole(cls) -> str:
        """What an error calls the part as a whole, where no single field of it is wrong."""
        return cls.__name__


def _explain(part: type[Frozen], values: Mapping[str, Any], error: ValidationError) -> str:
    lines = [f"{part.heading(values)} is wrong:"]
    for problem in error.errors():
        field = ".".join(str(step) for step in problem["loc"]) or part.whole()
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "is not a field here"
        lines.append(f"  {field}: {message} (seen: {problem.get('input')!r:.120})")
    return "\n".join(lines)
