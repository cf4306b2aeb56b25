"""What a registry on a server of its own holds of a subject: copies of reports, descriptions, tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from include.core.adapters import ADAPTERS, adapter
from include.core.settings import Settings
from include.core.subject import Subject
from include.forgetting.tables import scrubbed_text
from include.forgetting.texts import is_text

Scrub = Callable[[str, str], tuple[str, int]]  # of a file's name and its text: what is left of it, and how many values went
Eraser = Callable[[Settings, str, Scrub, Callable[[str], bool]], tuple[int, list[str]]]


def clean_server(settings: Settings, models: Iterable[str], subject: Subject) -> tuple[int, list[str]]:
    """Put the subject's values out of what it holds of some models: how many texts changed, and what holds one none the less, in
    words. Doing it again finds none. Without such a server nothing is asked. Raises UnreachableError, PermanentError."""
    name = f"erase.{settings.registry}"
    if name not in ADAPTERS:
        return 0, []
    erase: Eraser = adapter(name)
    count, left = 0, list[str]()
    for model in models:
        changed, kept = erase(settings, model, lambda file, text: scrubbed_text(file, text, subject), is_text)
        count, left = count + changed, [*left, *kept]
    return count, left
