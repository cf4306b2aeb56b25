"""`slipstream new`: the folder of a model or a feature set, made from the template or from another one under its own name."""

from __future__ import annotations

import ast
import keyword
import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from include.authoring.cadence import DAY, require_template, set_cadence
from include.authoring.places import folders
from include.core.catalog import owner_names
from include.core.errors import ConflictError, DataError, SpecError
from include.core.nearest import did_you_mean
from include.core.places import PACKAGE, SET_FILE, SPEC_FILE, is_feature_set
from include.core.scratch import scratch_folder

TEMPLATE = "template"
LIBRARIES = (
    "include.authoring",
    PACKAGE,
    "examples.models",
    "examples.feature_sets",
)  # of models to start from, beside those of the setting
RESERVED = {"slipstream": "the installation's own DAGs begin with it"}
MADE_BY = ("ModelSpec", "FeatureSet")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True)
class NewModel:
    """A model's folder that was made, and the package by which it is imported."""

    name: str
    like: str
    folder: Path
    package: str

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())


def make(name: str, like: str, into: Path | None, models: str, known: Collection[str] = (), every: str = DAY) -> NewModel:
    """Make the folder, whole or not at all.

    `into`: the folder of models to make it in, by default the first place of `models` (SLIPSTREAM_MODELS). `known`: names of
    which the stores hold results. `every`: how long a partition is (include/authoring/cadence.py), of the template alone. Raises
    SpecError for a name that no model may have, ConflictError for one that is taken,
    DataError for a model to start from that is not there, or a folder that cannot be written.
    """
    _check_name(name)
    require_template(like, every)
    source, former = _source(like, models)
    target, package = _target(into, models)
    _refuse_taken(name, target, models, known)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with scratch_folder(target) as scratch:
            made = scratch / name
            shutil.copytree(source, made, ignore=_NOT_COPIED)
            for path in made.rglob("*.py"):
                text = path.read_text().replace(f"{former}.{like}", f"{package}.{name}")
                path.write_text(text.replace("python -m PACKAGE.", f"python -m {package}.{name}."))
            _rename(made / (SET_FILE if is_feature_set(made) else SPEC_FILE), like, name)
            set_cadence(made, every)
            os.rename(made, target / name)  # refused if somebody else has made it meanwhile
    except OSError as error:
        raise DataError(
            f"The folder of model {name!r} cannot be written: {error.strerror or error}.",
            seen=str(target / name),
            safe="no half of it was left.",
            hint="choose a folder that you may write to: --into PATH.",
        ) from error
    return NewModel(name, like, target / name, package)


def starting_points(models: str) -> dict[str, tuple[Path, str]]:
    """What `like` may name: the template first, then the installation's own models, then the examples.

    By name: the folder of a model to start from, and the package it is in. Of two of one name the first counts.
    """
    found: dict[str, tuple[Path, str]] = {}
    for text in (LIBRARIES[0], models, *LIBRARIES[1:]):
        try:
            places = folders(text)
        except SpecError:  # the examples are not part of every installation
            continue
        for package, folder in places:
            for file in (SPEC_FILE, SET_FILE):
                for spec in sorted(folder.glob(f"[!._]*/{file}")):
                    found.setdefault(spec.parent.name, (spec.parent, package))
    return found


def _check_name(name: str) -> None:
    why = ""
    if not _NAME.fullmatch(name):
        why = "it must be lower case letters, digits and _, starting with a letter, at most 63"
    elif keyword.iskeyword(name) or keyword.issoftkeyword(name):
        why = "it is a word of Python's own"
    elif name in RESERVED:
        why = f"it is reserved: {RESERVED[name]}"
    if why:
        raise SpecError(
            f"{name!r} cannot be a model's name: {why}.",
            seen=name,
            safe="nothing was written.",
            hint="choose another, such as churn or late_departure.",
        )


def _source(like: str, models: str) -> tuple[Path, str]:
    found = starting_points(models)
    if like not in found:
        raise DataError(
            f"There is no model {like!r} to start from.",
            seen=like,
            safe="nothing was written.",
            hint=did_you_mean(like, found, "starting points"),
        )
    return found[like]


def _target(into: Path | None, models: str) -> tuple[Path, str]:
    """The folder of models to write in, and the package by which its models are imported."""
    known = folders(models)
    if into is None:
        package, folder = known[0]
        return folder, package
    chosen = into.expanduser().absolute()
    return chosen, next((package for package, folder in known if folder.resolve() == chosen.resolve()), PACKAGE)


def _refuse_taken(name: str, target: Path, models: str, known: Collection[str]) -> None:
    taken = ""
    if (target / name).exists():
        taken = f"{target / name} is there already"
    elif name in owner_names(models):
        taken = f"{models} has a model or a feature set of that name"
    elif name in known:
        taken = "the stores hold versions or published days of a model of that name, which a new one would inherit"
    if taken:
        raise ConflictError(
            f"The name {name!r} is taken: {taken}.",
            seen=name,
            safe="nothing was written.",
            hint="choose another name; to work on that model, edit its folder.",
        )


def _rename(spec: Path, old: str, new: str) -> None:
    """Write the new name where the spec says `name=` of the model."""
    text = spec.read_text()
    places = [value for value in _names_in(ast.parse(text)) if value.value == old]
    if len(places) != 1:
        raise SpecError(
            f"The spec of {old!r} does not say name={old!r} once, as text: it cannot be copied under another name.",
            seen=len(places),
            safe="nothing was written.",
            hint=f"copy its folder by hand, and set the name in its {spec.name}.",
        )
    (at,) = places
    lines = text.encode().splitlines(keepends=True)
    line = lines[at.lineno - 1]
    lines[at.lineno - 1] = line[: at.col_offset] + f'"{new}"'.encode() + line[at.end_col_offset :]
    spec.write_bytes(b"".join(lines))


def _names_in(tree: ast.Module) -> Iterator[ast.Constant]:
    """The keyword `name` of every ModelSpec(...) or FeatureSet(...), where it is written as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in MADE_BY:
            values = (each.value for each in node.keywords if each.arg == "name")
            yield from (value for value in values if isinstance(value, ast.Constant))
