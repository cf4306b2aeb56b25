"""What is installed is what was locked: the bill of materials, the pins, and what is known against them."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sbom, audit = script("sbom"), script("audit")


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    made: dict[str, Any] = sbom.bill()
    return made


# -- the bill of materials ---------------------------------------------------------------------------------


def test_the_bill_has_what_its_schema_requires(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    serial = "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(serial, bill["serialNumber"])
    assert set(bill) == {"bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies"}
    for part in [bill["metadata"]["component"], *bill["components"]]:
        assert part["type"] in {"application", "library", "container"}
        assert part["name"]
        assert part["version"]
    for part in bill["components"]:
        assert part["scope"] in {"required", "optional", "excluded"}
        assert re.fullmatch(r"pkg:(pypi|docker)/[a-z0-9./-]+@[A-Za-z0-9.%_-]+", part["purl"]), part["purl"]
        for reference in part.get("externalReferences", ()):
            assert reference["type"] == "distribution"
            assert reference["url"].startswith("https://")
            assert all(each["alg"] == "SHA-256" and re.fullmatch("[0-9a-f]{64}", each["content"]) for each in reference["hashes"])
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(set(refs)) == len(refs)
    assert set(bill["dependencies"][0]["dependsOn"]) <= set(refs)


def test_it_lists_every_locked_package_with_its_hashes_and_every_image(bill: dict[str, Any]) -> None:
    listed = {(part["name"], part["version"]) for part in bill["components"]}
    for lock in sbom.LOCKS:
        text = (ROOT / lock).read_text()
        for line in re.findall(r"^[A-Za-z0-9][^\s=]*==[^\s\\;]+", text, re.MULTILINE):
            name, version = line.split("==")
            assert (sbom.normal(name.partition("[")[0]), version) in listed, line
    libraries = [part for part in bill["components"] if part["type"] == "library"]
    assert not [part["name"] for part in libraries if not part.get("externalReferences")]
    assert {part["name"] for part in bill["components"] if part["type"] == "container"} >= {"python", "postgres", "redis"}


def test_the_same_locks_give_the_same_bytes(bill: dict[str, Any], tmp_path: Path) -> None:
    assert sbom.main([str(tmp_path / "a" / "bill.json")]) == 0
    assert json.loads((tmp_path / "a" / "bill.json").read_text()) == bill
    assert "timestamp" not in json.dumps(bill)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("X_IMAGE=postgres:18", [("postgres", "18", "")]),
        (f"X_IMAGE=prom/prometheus:v3@sha256:{'a' * 64}", [("prom/prometheus", "v3", "a" * 64)]),
        ("X_IMAGE=redis", [("redis", "latest", "")]),
        ("# X_IMAGE=redis:8", []),
    ],
)
def test_an_image_is_read_with_its_digest(line: str, expected: list[tuple[str, str, str]]) -> None:
    assert list(sbom.images(line)) == expected


# -- pins --------------------------------------------------------------------------------------------------


def test_every_image_is_named_in_the_one_place_for_digests() -> None:
    names = {line.partition("=")[0] for line in (ROOT / "docker/.env").read_text().splitlines() if "_IMAGE=" in line}
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    used = {each["image"] for each in services.values()} - {"slipstream:local"}
    assert all(re.fullmatch(r"\$\{[A-Z]+_IMAGE:\?.*\}", image) for image in used)
    assert {re.findall(r"[A-Z]+_IMAGE", image)[0] for image in used} | {"PYTHON_IMAGE"} == names
    built = re.findall(r"^FROM (\S+)", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert built == [*["${PYTHON_IMAGE}"] * 2, "runtime", "runtime"]


def test_every_package_is_locked_with_a_hash() -> None:
    held, bare = audit.locked(ROOT)
    assert bare == []
    assert held["apache-airflow-core"]
    assert "pytest" not in held  # tests are no part of what runs


# -- what is known -----------------------------------------------------------------------------------------

REVIEWED = date(2026, 11, 29)


@contextmanager
def database(vulnerable: dict[str, list[str]], *, broken: bytes = b"") -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            ids = [vulnerable.get(each["package"]["name"], []) for each in asked]
            body = (
                broken or json.dumps({"results": [{"vulns": [{"id": i} for i in some]} if some else {} for some in ids]}).encode()
            )
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)


def test_the_reviewed_list_says_what_we_do_about_each_and_of_when_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.audit(ROOT, "", REVIEWED) == 0
    told = capsys.readouterr().out
    for name in ("CVE-2026-68982", "CVE-2026-82337"):
        assert re.search(f"OPEN +{name} +apache-airflow-core 3.3.2", told)
    assert "a Redis of its own" in told
    assert "of 2026-11-29: it is kept by hand" in told
    assert "STALE" not in told
    assert audit.audit(ROOT, "", date(2027, 6, 1)) == 0
    assert "reviewed 184 days ago" in capsys.readouterr().out


@pytest.mark.parametrize("broken", [b"<html>log in</html>", b"{}", b'{"results": []}', b"[]"])
def test_what_is_no_database_is_said_and_the_list_stands(broken: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with database({}, broken=broken) as url:
        assert audit.audit(ROOT, url, REVIEWED) == 0
    assert "No vulnerability database was reached" in capsys.readouterr().out


def test_a_database_that_is_down_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.audit(ROOT, "http://127.0.0.1:1", REVIEWED) == 0
    assert "No vulnerability database was reached (http://127.0.0.1:1" in capsys.readouterr().out
    assert audit.audit(ROOT, "http://127.0.0.1:1", REVIEWED, strict=True) == 1


def test_what_the_database_knows_and_nobody_has_read_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with database({"apache-airflow-core": ["CVE-2026-68982"], "mlflow": ["CVE-2026-2651"]}) as url:
        assert audit.audit(ROOT, url, REVIEWED) == 0  # an alias counts as read
        with database({"duckdb": ["PYSEC-2099-1"]}) as other:
            assert audit.audit(ROOT, other, REVIEWED) == 1
    told = capsys.readouterr().out
    assert re.search(r"NOT REVIEWED +duckdb \S+: PYSEC-2099-1", told)


def test_an_advisory_concerns_versions_before_its_fix_alone() -> None:
    entries = [{"package": "A_Package", "fixed": "1.10.0"}, {"package": "b", "fixed": ""}, {"package": "absent", "fixed": ""}]
    held = {"a-package": "1.9.5", "b": "2"}
    assert [each["package"] for each in audit.concerning(entries, held)] == ["A_Package", "b"]
    assert [each["package"] for each in audit.concerning(entries, {"a-package": "1.10.0"})] == []
