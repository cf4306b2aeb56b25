"""What a version computes of a request: expressions with all that they read, as the signature of the version carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from include.core.digest import digest_json
from include.core.errors import DataError
from include.core.expression.checked import TIME, Expression, Written, checked
from include.core.expression.tree import columns_of
from include.core.json_types import Json
from include.core.spec import Feature, Features

KEY = "request_features"  # in signature.json


@dataclass(frozen=True)
class RequestFeatures:
    """Of one version of a model, or of its spec."""

    given: tuple[Feature, ...]  # what the expressions read of views and of the request, with its defaults
    computed: tuple[Feature, ...]  # as the spec has them, each with its expression

    @classmethod
    def of(cls, features: Features) -> Self | None:
        """The spec's; None where nothing is computed."""
        computed = tuple(each for each in features.request if each.expression)
        if not computed:
            return None
        known = [*(each for view in features.views for each in view.features), *features.sent]
        read = _reads(computed, known)
        return cls(tuple(_bare(each) for each in known if each.name in read), tuple(_bare(each) for each in computed))

    @classmethod
    def of_signature(cls, signature: Mapping[str, Any]) -> Self | None:
        """A version's; None where it computes nothing. Raises DataError for expressions that this release cannot read."""
        value = signature.get(KEY)
        if not value:
            return None
        given, computed = ((Feature.model_validate(each) for each in value[name]) for name in ("given", "computed"))
        made = cls(tuple(given), tuple(computed))
        try:
            assert made.expressions
        except ValueError as error:
            raise DataError(
                "signature.json has a request feature that cannot be computed here.",
                seen=str(error)[:500],
                safe="the version answers nobody.",
                hint="serve it by the release that trained it, or train it again.",
            ) from error
        return made

    @cached_property
    def expressions(self) -> list[Expression]:
        """In the order in which they are computed. Raises ValueError."""
        written = [Written(each.name, each.dtype, each.expression) for each in self.computed]
        return checked(written, {each.name: each.dtype for each in self.given})

    @cached_property
    def features(self) -> dict[str, Feature]:
        """All that is read or computed, by name."""
        return {each.name: each for each in (*self.given, *self.computed)}

    @property
    def names(self) -> tuple[str, ...]:
        """Of what is computed."""
        return tuple(each.name for each in self.computed)

    @cached_property
    def digest(self) -> str:
        """Eight hex digits that differ where two versions compute something else."""
        return digest_json(self.to_json())[:8]

    def to_json(self) -> dict[str, Json]:
        def written(some: Sequence[Feature]) -> list[Json]:
            return [each.model_dump(mode="json") for each in some]

        return {"given": written(self.given), "computed": written(self.computed)}


def of_version(signature: Mapping[str, Any], features: Features) -> RequestFeatures | None:
    """What a version computes: by its own expressions; and by the spec's what it was sent in its time and is sent no more.

    Raises DataError as `of_signature`.
    """
    own, present = RequestFeatures.of_signature(signature), RequestFeatures.of(features)
    inputs = {column["name"] for column in signature.get("inputs", ())}
    known = own.names if own else ()
    if present is None or not (inputs & {*present.names}) - {*known}:
        return own
    if own is None:
        return present
    given = {each.name: each for each in (*present.given, *own.given)}
    return RequestFeatures(tuple(given.values()), (*own.computed, *(each for each in present.computed if each.name not in known)))


def lacking(wanted: RequestFeatures, features: Features, views: Sequence[Feature]) -> list[str]:
    """What its expressions read and nobody gives any more, a phrase each. `views`: what is looked up."""
    there = {each.name: each.dtype for each in (*views, *features.sent)}
    gone = (each for each in wanted.given if there.get(each.name) != each.dtype)
    return [f"{each.name!r} ({each.dtype}), which its expressions read, does not come with a request any more" for each in gone]


def misfits(signature: Mapping[str, Any], features: Features, views: Sequence[Feature]) -> list[str]:
    """Why a version's request features cannot be what they were when it was trained; nothing where they can.

    `views`: what is looked up for it.
    """
    own = RequestFeatures.of_signature(signature)
    said = lacking(own, features, views) if own else []
    present = {each.name for each in features.request if each.expression} - {*(own.names if own else ())}
    sent = [column["name"] for column in signature.get("inputs", ()) if column["name"] in present]
    return said + [f"input {name!r} came with the request, and is computed of it now" for name in sent]


def signature_part(features: Features) -> dict[str, Json]:
    """What signature.json has of them; nothing for a model that computes nothing, whose signature stays as it was."""
    made = RequestFeatures.of(features)
    return {KEY: made.to_json()} if made else {}


def _reads(computed: Sequence[Feature], known: Sequence[Feature]) -> set[str]:
    """What the expressions read of `known`, each by its own name."""
    written = [Written(each.name, each.dtype, each.expression) for each in computed]
    found = checked(written, {each.name: each.dtype for each in known})
    return {name for expression in found for name in columns_of(expression.node)} - {TIME}


def _bare(feature: Feature) -> Feature:
    """Without its description, which changes nothing that is computed."""
    return feature.model_copy(update={"description": ""})
