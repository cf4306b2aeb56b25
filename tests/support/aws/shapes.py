"""AWS's own limits of a request, from botocore's model of the service: lengths, patterns, ranges and choices.

botocore checks before it sends what is required, the types and the lower limits; the rest AWS says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=8)
def _model(service: str) -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def broken_limits(service: str, operation: str, body: Any) -> list[str]:
    """What a request of that operation breaks, in AWS's words."""
    return list(_broken(_model(service).operation_model(operation).input_shape, body, ""))


def _broken(shape: Any, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from _broken(member, value[name], _below(where, name))
        yield from (f"Unknown parameter at '{_below(where, name)}'" for name in value if name not in shape.members)
        for name in shape.required_members:
            if name not in value:
                yield f"Value null at '{_below(where, name)}' failed to satisfy constraint: Member must not be null"
    elif kind == "list":
        yield from _size(shape, len(value), value, where)
        for number, item in enumerate(value, 1):
            yield from _broken(shape.member, item, f"{where}.{number}.member")
    elif kind == "map":
        yield from _size(shape, len(value), value, where)
        for name, item in value.items():
            yield from _broken(shape.key, name, f"{where}.key")
            yield from _broken(shape.value, item, f"{where}.{name}")
    else:
        yield from _scalar(shape, value, where)


def _scalar(shape: Any, value: Any, where: str) -> Iterator[str]:
    if shape.type_name == "string":
        yield from _size(shape, len(value), value, where)
        if choices := getattr(shape, "enum", None):
            if value not in choices:
                yield _said(value, where, f"Member must satisfy enum value set: [{', '.join(choices)}]")
        elif (pattern := shape.metadata.get("pattern")) and not re.fullmatch(_python(pattern), value):
            yield _said(value, where, f"Member must satisfy regular expression pattern: {pattern}")
    elif shape.type_name in ("integer", "long", "float", "double"):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and value < low:
            yield _said(value, where, f"Member must have value greater than or equal to {low}")
        if high is not None and value > high:
            yield _said(value, where, f"Member must have value less than or equal to {high}")


def _size(shape: Any, size: int, value: Any, where: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _said(value, where, f"Member must have length greater than or equal to {low}")
    if high is not None and size > high:
        yield _said(value, where, f"Member must have length less than or equal to {high}")


def _said(value: Any, where: str, constraint: str) -> str:
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {constraint}"


def _below(where: str, name: str) -> str:
    own = name[0].lower() + name[1:]
    return f"{where}.{own}" if where else own


@lru_cache(maxsize=256)
def _python(pattern: str) -> str:
    """Java's classes of letters, spaces and digits, as AWS's patterns of tags have them, in Python's words."""
    return pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
