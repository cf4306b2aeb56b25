"""The page: nothing of what strangers named runs or loads, and every value of the JSON is on it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from include.core.html_policy import scripts
from include.governance.dossier.envelope import as_page, read
from include.governance.dossier.page import page_around


def test_no_script_and_nothing_from_elsewhere(signed: bytes) -> None:
    page = as_page(signed).decode()
    assert scripts(page) == []
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_every_value_is_shown(signed: bytes) -> None:
    body = read(signed).body
    page = unescape("".join(page_around(body)))
    missing = [value for value in leaves(body) if isinstance(value, str) and value and value not in page]
    assert missing == []
    for heading in ("Data", "Evaluation", "Approvals", "Audit", "Files", "Beyond"):
        assert f"<h2>{heading}</h2>" in page


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for inner in value.values() for each in leaves(inner)]
    return [each for inner in value for each in leaves(inner)] if isinstance(value, list) else [value]
