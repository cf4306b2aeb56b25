"""docs/reference/cli.md is what the command's own parsers say."""

from __future__ import annotations

from tests.support.scripts import load_script


def test_the_page_is_what_the_parsers_say() -> None:
    script = load_script("cli_reference")
    assert script.PAGE.read_text() == script.page(), "write it anew: make docs"
