"""Values from outside in Markdown: MLflow's descriptions and notes, model cards, Airflow's DAG pages."""

from __future__ import annotations

import re

# What would make HTML, a link, an image, code or another cell of what was a word. Emphasis is left: it does no harm.
_SPECIAL = re.compile(r"[\\`\[\]|]")
_LINES = re.compile(r"\s*[\r\n\u2028\u2029\x0b\x0c\x85]+\s*")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def plain(value: object) -> str:
    """A value as text in one line of Markdown: it is read as it is, whoever wrote it."""
    text = _LINES.sub(" ", str(value))
    text = "".join(_ENTITIES.get(letter, letter) for letter in text)
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def code(value: object) -> str:
    """A value as code: without what would end it."""
    return f"`{_LINES.sub(' ', str(value)).replace('`', '′').replace('|', '¦')}`"
