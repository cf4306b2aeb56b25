"""What the documentation site adds to docs/ and mkdocs.yml: a hook of MkDocs.

CONTRIBUTING.md and CHANGELOG.md stand at the root, where people and tools look for them, and are pages of the site, too.
The decisions are listed by their numbers: a new one needs no line in mkdocs.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
DECISIONS = "adr/README.md"
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Called by MkDocs once it has read mkdocs.yml."""
    for section in config.nav or ():
        for pages in section.values() if isinstance(section, dict) else ():
            if DECISIONS in pages:
                pages.extend(decisions())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Called by MkDocs with the files of docs/."""
    from mkdocs.structure.files import File

    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=as_page((ROOT / source).read_text())))
    return files


def decisions() -> list[str]:
    """The pages of the decisions, relative to docs/, by number."""
    return sorted(f"adr/{path.name}" for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"))


def as_page(text: str) -> str:
    """A root file's text with its links as they are seen from docs/."""
    own = {source: page for page, source in PAGES.items()}
    return _LINK.sub(lambda link: f"]({own.get(link[1], link[1].removeprefix('docs/'))}", text)
