"""A version's dossier in the console: for whoever may read the model, as it was signed, in a sandbox, and never made here."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from include.core.settings import Settings
from include.governance.dossier.envelope import read
from include.governance.dossier.keys import rotate
from include.governance.dossier.verify import verify
from include.overview.dossier.keep import Kept, keep
from include.services.services import Services
from tests.support.console_site import Site
from tests.support.toy_ledger import MODEL

PATH = f"/api/models/{MODEL}/versions/2/dossier"
HOSTILE = "<script>document.title='pwned'</script>"


@pytest.fixture(scope="module")
def kept(site: Site) -> Kept:
    """Of version 2, signed, by somebody whose name is a script."""
    home = Path(str(site.control.engine.url.database)).parent
    services = Services(Settings.from_env({"SLIPSTREAM_HOME": str(home), "SLIPSTREAM_MODELS": "include.models"}))
    with site.client("viewer") as viewer:
        none = viewer.get(f"{PATH}.html")
        assert (none.status_code, none.json()["next"].split("`")[1]) == (404, f"slipstream dossier {MODEL} 2 --keep")
    return keep(services, MODEL, 2, "by hand", rotate(home, {}), HOSTILE)


def test_its_page_runs_no_script_and_its_json_verifies(site: Site, kept: Kept) -> None:
    with site.client("viewer") as viewer:
        page, data = viewer.get(f"{PATH}.html"), viewer.get(f"{PATH}.json")
        (told,) = viewer.get(f"/api/models/{MODEL}/dossiers").json()["2"]
        again = viewer.get(f"{PATH}.json?digest={told['digest']}")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert "script-src" not in policy
    assert (page.headers["x-content-type-options"], page.headers["content-type"]) == ("nosniff", "text/html; charset=utf-8")
    assert HOSTILE not in page.text
    assert "&lt;script&gt;document.title" in page.text
    assert data.headers["content-disposition"] == f'attachment; filename="{MODEL}-v2.dossier.json"'
    assert again.content == data.content == site.loop.ledger.storage.read(kept.path)
    assert (told["version"], told["signed"], kept.signed) == (2, True, True)
    for handed_out in (page.content, data.content):
        dossier = read(handed_out)
        assert dossier.signature is not None
        assert verify(dossier, [dossier.signature["key"]]).found == ()


def test_the_pages_that_show_the_version_name_it(site: Site, kept: Kept) -> None:
    with site.client("viewer") as viewer:
        model = viewer.get(f"/api/models/{MODEL}").json()["dossiers"]
        graph = viewer.get(f"/api/lineage/{MODEL}?version=2").json()["dossiers"]
        without = viewer.get(f"/api/lineage/{MODEL}?version=1").json()["dossiers"]
    assert [each["digest"] for each in model["2"]] == re.findall("-([0-9a-f]{16}).json", kept.path)
    assert graph["kept"] == model["2"]
    assert (without["kept"], without["command"]) == ([], f"slipstream dossier {MODEL} 1 --keep")


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"/api/models/{MODEL}/versions/9/dossier.html", 404), (f"/api/models/{MODEL}/versions/0/dossier.html", 422),
     (f"/api/models/{MODEL}/versions/two/dossier.html", 422), (f"{PATH}.pdf", 422), (f"{PATH}.html?digest=../x", 422),
     (f"{PATH}.html?digest={'0' * 16}", 404), ("/api/models/none/versions/2/dossier.html", 404)],
)  # fmt: skip
def test_what_is_none_is_refused_with_a_reason(site: Site, kept: Kept, path: str, status: int) -> None:
    with site.client("viewer") as viewer, site.client() as nobody:
        answer = viewer.get(path)
        assert (answer.status_code, bool(answer.json()["next"])) == (status, True)
        assert nobody.get(path).status_code == 401


def test_a_file_that_was_changed_is_handed_out_to_nobody(site: Site, kept: Kept) -> None:
    storage = site.loop.ledger.storage
    data = storage.read(kept.path)
    storage.write(kept.path, data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with site.client("admin") as admin:
        answers = [admin.get(f"{PATH}.{form}") for form in ("html", "json")]
    storage.write(kept.path, data)
    assert [(each.status_code, "changed after it was made" in each.json()["error"]) for each in answers] == [(400, True)] * 2


def test_who_may_not_read_the_model_gets_no_byte_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.core_api.security import get_user

    from plugins import slipstream_access, slipstream_dossier

    asked = list[str]()

    def refuse(method: str, entity: object, *, param_dag_id: str) -> Any:
        asked.append(f"{method} {param_dag_id}")
        raise HTTPException(403, "Forbidden")

    monkeypatch.setattr(slipstream_access, "requires_access_dag", refuse)
    monkeypatch.setattr(slipstream_dossier, "services", lambda: pytest.fail("a store was opened"))
    app = FastAPI()
    app.include_router(slipstream_dossier.router)
    app.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "eve")
    client = TestClient(app)
    paths = [f"{PATH}.html", f"{PATH}.json", f"/api/models/{MODEL}/dossiers"]
    assert [client.get(path).status_code for path in paths] == [403] * 3
    assert set(asked) == {f"GET {MODEL}_rollout"}
