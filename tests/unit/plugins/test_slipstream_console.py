"""The console's frame: its files by their release, answers that are not sent twice, and a page of another release."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.slipstream_console import FOLDER, VERSION, files, page_names, version
from tests.support.console_site import Site
from tests.support.toy_ledger import MODEL

MODULES = sorted(path for path in FOLDER.rglob("*.js") if "vendor" not in path.parts)
IMPORT = re.compile(r"""(?:from|import)\s+["'](\.[^"']+)["']""")
USED = re.compile(r"""(?:term: |meaning\()"(\w+)"|^\s*\["(\w+)", (?!")""", re.MULTILINE)


def terms() -> set[str]:
    return {name for path in FOLDER.glob("terms*.js") for name in re.findall(r"^  (\w+): \[\"", path.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_module_imports_files_that_are_served_and_terms_that_are_explained(path: Path) -> None:
    text = path.read_text()
    for name in IMPORT.findall(text):
        assert (path.parent / name).resolve().relative_to(FOLDER).as_posix() in files()
    used = {each for found in USED.findall(text) for each in found if each}
    assert used <= terms()
    assert len(text.splitlines()) < 200


def test_every_page_says_what_it_is_called_and_what_it_reads() -> None:
    assert {"fleet", "model", "features"} <= page_names()
    for name in page_names():
        text = (FOLDER / "pages" / f"{name}.js").read_text()
        assert all(f"export const {word} = " in text for word in ("title", "view", "feeds")), name
        assert '<h1 tabindex="-1">' in text, name
    menu = set(re.findall(r'page: "(\w+)"', (FOLDER / "menu.js").read_text()))
    assert menu <= page_names()


def test_a_file_is_kept_for_ever_and_one_of_another_release_is_none(site: Site) -> None:
    with site.client("viewer") as viewer:
        page = viewer.get("/model")
        assert version() in page.text
        assert page.headers["cache-control"] == "no-store"
        script = viewer.get(f"/console/{version()}/app.js")
        assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in script.headers["cache-control"]
        gone = [f"/console/{'0' * 16}/app.js", f"/console/{version()}/nothing.js", f"/console/{version()}/index.html", "/nothing"]
        assert [viewer.get(path).status_code for path in gone] == [404] * len(gone)


def test_what_the_page_has_is_not_sent_again(site: Site) -> None:
    with site.client("viewer") as viewer:
        first = viewer.get(f"/api/models/{MODEL}/windows")
        assert first.headers[VERSION] == version()
        again = viewer.get(f"/api/models/{MODEL}/windows", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers[VERSION]) == (304, b"", version())
        other = viewer.get(f"/api/models/{MODEL}/windows", headers={"If-None-Match": 'W/"of something else"'})
        assert (other.status_code, other.json()) == (200, first.json())
        assert VERSION in viewer.get("/api/models/none").headers
    with site.client() as nobody:
        assert nobody.get("/api/models").headers[VERSION] == version()


def test_an_act_of_a_page_of_an_earlier_release_changes_nothing(site: Site) -> None:
    with site.client("op") as op:
        path, body = f"/api/models/{MODEL}/rollout/abort", {"reason": "because"}
        refused = op.post(path, json=body, headers={VERSION: "0" * 16})
        assert (refused.status_code, refused.json()["safe"]) == (409, "nothing was changed.")
        assert "upgraded" in refused.json()["error"]
        assert "no live rollout" in op.post(path, json=body, headers={VERSION: version()}).json()["error"]
