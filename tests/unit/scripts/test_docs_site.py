"""The pages that the documentation site takes from outside docs/."""

from __future__ import annotations

import re

import pytest

from tests.support.scripts import load_script

site = load_script("docs_site")


def test_links_of_a_root_file_are_those_of_a_page() -> None:
    text = "[a](docs/architecture.md#the-kernel) [b](CHANGELOG.md) [c](https://example.com/docs/x.md)"
    assert site.as_page(text) == "[a](architecture.md#the-kernel) [b](changelog.md) [c](https://example.com/docs/x.md)"


@pytest.mark.parametrize("source", site.PAGES.values())
def test_a_root_file_links_to_pages_that_are_there(source: str) -> None:
    named = re.findall(r"\]\((?!https?:)([^)#]+)", (site.ROOT / source).read_text())
    assert [link for link in named if not (site.ROOT / link).is_file()] == []


def test_every_decision_is_listed_where_people_look_for_it() -> None:
    listed = (site.ROOT / "docs" / site.DECISIONS).read_text()
    assert site.decisions()
    assert [page for page in site.decisions() if page.removeprefix("adr/") not in listed] == []
