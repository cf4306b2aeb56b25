"""A subject's values in files of text: reports, JSON, errors that were kept. What only the subject had is put out of them."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable
from typing import Any

from include.core.subject import Subject
from include.data.subject_rows import MASKED

TEXT = (".json", ".jsonl", ".html", ".md", ".txt", ".csv", ".svg", ".yaml", ".yml")
_WORD = re.compile(r"[^\s<>\"'`=,;()\[\]{}|]+")
_BETWEEN = re.compile(r"(?<=>)[^<>]{5,400}(?=<)|(?<=\")[^\"\\]{5,400}(?=\")")
_EDGES = ".:!?"


def is_text(name: str) -> bool:
    """Whether a file of that name is one that this reads."""
    return name.endswith(TEXT)


def without_values(text: str, subject: Subject) -> tuple[str, int]:
    """The text with a stand-in for each value that only the subject had; how many those were.

    A value is found as a word, and as all that stands between two tags or quotation marks.
    """
    known: dict[str, bool] = {}

    def meant(found: str) -> bool:
        plain = html.unescape(found).strip()
        if plain not in known:
            known[plain] = subject.owns(plain) or subject.owns(_number(plain))
        return known[plain]

    text, phrases = _replaced(text, _BETWEEN, meant)
    text, words = _replaced(text, _WORD, lambda word: meant(word) or meant(word.strip(_EDGES)))
    return text, phrases + words


def _replaced(text: str, pattern: re.Pattern[str], meant: Callable[[str], bool]) -> tuple[str, int]:
    count = 0

    def put(match: re.Match[str]) -> str:
        nonlocal count
        if not meant(match[0]):
            return match[0]
        count += 1
        return MASKED

    return pattern.sub(put, text), count


def _number(text: str) -> float | int | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def names_subject(body: bytes, owner: str, subject: Subject) -> bool:
    """Whether a request, an answer or an event is about the subject: an object in it has its keys, or its request's id, or a
    text of it is a value that only the subject had."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError, UnicodeDecodeError):
        return without_values(body.decode(errors="replace"), subject)[1] > 0
    return _in(value, owner, subject)


def _in(value: Any, owner: str, subject: Subject) -> bool:
    if isinstance(value, dict):
        return (
            subject.is_in(value)
            or any(name in value and subject.asked(owner, value[name]) for name in ("id", "request_id"))
            or any(_in(each, owner, subject) for each in value.values())
        )
    if isinstance(value, list):
        return any(_in(each, owner, subject) for each in value)
    return isinstance(value, str) and without_values(value, subject)[1] > 0


def body_of(line: dict[str, Any]) -> bytes:
    """An event that was set aside, as it came (include/event_log/poison.py)."""
    if "base64" in line:
        try:
            return base64.b64decode(line["base64"])
        except (binascii.Error, ValueError):
            return b""
    return str(line.get("value", "")).encode()
