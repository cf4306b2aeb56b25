"""The map of articles: each command, option, setting and field of the spec that it names is there."""

from __future__ import annotations

import argparse
import re
from functools import cache

import pytest

from include.authoring.profile import CHECKS
from include.cli.main import COMMANDS, configure
from include.core.digest import PROJECT
from include.core.environment import VARIABLES
from include.core.spec import Features, ModelSpec
from include.core.spec.profile import EXCEPTIONS
from include.governance.dossier.page import SECTIONS

PAGE = (PROJECT / "docs" / "regulation.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", PAGE)
CALLS = sorted({text for text in CODE if text.startswith("slipstream ")})
FIELDS = sorted(
    {text for text in CODE if re.fullmatch(r"[a-z_]+\.[a-z_]+", text) and text.partition(".")[0] in ModelSpec.model_fields}
)
ARTICLES = {
    "AI Act": (9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 26, 27, 50, 72, 73),
    "GDPR": (5, 13, 14, 15, 17, 20, 22, 25, 30, 32, 35),
}


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    configure(command, parser)
    return parser


@pytest.mark.parametrize("call", CALLS)
def test_each_command_is_there_with_its_verb_and_options(call: str) -> None:
    _, command, *words = call.split()
    assert command in COMMANDS
    parser = parser_of(command)
    choices = [action for action in parser._actions if not action.option_strings and action.choices]
    if choices and words:
        assert words[0] in (choices[0].choices or ()) or not words[0].islower()
    known = {option for action in parser._actions for option in action.option_strings}
    for action in choices:
        if isinstance(action, argparse._SubParsersAction) and words:
            known |= {option for inner in action.choices[words[0]]._actions for option in inner.option_strings}
    assert {word for word in words if word.startswith("--")} <= known


def test_each_setting_is_there() -> None:
    known = {variable.name for variable in VARIABLES}
    named = {text for text in CODE if re.fullmatch(r"(SLIPSTREAM|AIRFLOW)_[A-Z_0-9]+", text)}
    assert named
    assert named - known == set()


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_of_the_spec_is_there(field: str) -> None:
    section, _, name = field.partition(".")
    default = ModelSpec.model_fields[section].default
    assert name in (Features if section == "features" else type(default)).model_fields


def test_the_page_names_enough_to_be_held_to() -> None:
    assert len(CALLS) > 15
    assert len(FIELDS) >= 5
    for name in ("profile", "profile_exceptions"):
        assert f"`{name}" in PAGE
        assert name in ModelSpec.model_fields


def test_every_article_has_its_row() -> None:
    act, _, gdpr = PAGE.partition("\n## GDPR")
    for text, numbers in ((act, ARTICLES["AI Act"]), (gdpr, ARTICLES["GDPR"])):
        rows = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))
        assert [number for number in numbers if not re.search(rf"\b{number}\b", rows)] == []


def test_the_sections_of_annex_iv_are_the_dossiers() -> None:
    annex = PAGE.partition("### Annex IV")[2].partition("\n## ")[0]
    known = {heading for heading, _ in SECTIONS.values()}
    named = set(re.findall(r"\*([A-Z][^*]+)\*", annex))
    assert named
    assert named - known == set()


def test_the_table_of_profiles_has_every_check() -> None:
    table = PAGE.partition("## Profiles")[2].partition("\n## ")[0]
    rows = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")}
    assert {check.name for check in CHECKS} <= rows
    assert "profile_exceptions" in table
    assert set(EXCEPTIONS) >= {check.name for check in CHECKS} - {"approval", "audit anchor", "dossier", "versions"}
