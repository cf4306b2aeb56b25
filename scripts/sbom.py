"""A software bill of materials of what is locked: CycloneDX 1.6, as JSON. `make sbom`, or `python3 scripts/sbom.py [FILE]`.

Made from the lock files alone, with the standard library: every package with its version and the hashes of the files that an
installation accepts, and the container images. The same locks give the same bytes: there is no time and nothing random in it.
Tests and linters are in it as `excluded`: they are no part of what runs.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Lock file: the scope of its packages.
LOCKS = {
    "requirements.txt": "required",
    "requirements/torch-cpu.txt": "required",
    "requirements/uv.txt": "optional",
    "requirements/dev.txt": "excluded",
}
IMAGES = "docker/.env"
_PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_IMAGE = re.compile(r"^[A-Z_]+_IMAGE=(?P<name>[^@:\s]+)(?::(?P<tag>[^@\s]+))?(?:@sha256:(?P<digest>[0-9a-f]{64}))?$")


def packages(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """(name, version, hashes) of each package of a lock file's text, in its order."""
    name, version, hashes = "", "", list[str]()
    for line in lock.splitlines():
        if found := _PACKAGE.match(line):
            if name:
                yield name, version, hashes
            name, version, hashes = normal(found[1]), found[2], []
        hashes += _HASH.findall(line) if name else []
    if name:
        yield name, version, hashes


def normal(name: str) -> str:
    """As PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def images(settings: str) -> Iterator[tuple[str, str, str]]:
    """(name, tag, digest or empty) of each image of docker/.env."""
    for line in settings.splitlines():
        if found := _IMAGE.match(line.strip()):
            yield found["name"], found["tag"] or "latest", found["digest"] or ""


def bill(root: Path = ROOT) -> dict[str, Any]:
    """The whole document."""
    parts: dict[str, dict[str, Any]] = {}
    for lock, scope in LOCKS.items():
        for name, version, hashes in packages((root / lock).read_text()):
            purl = f"pkg:pypi/{name}@{version.replace('+', '%2B')}"
            parts.setdefault(purl, _package(purl, name, version, scope, hashes))
    for name, tag, digest in images((root / IMAGES).read_text()):
        part = _image(name, tag, digest)
        parts.setdefault(part["bom-ref"], part)
    ordered = [parts[purl] for purl in sorted(parts)]
    released = re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(), re.MULTILINE)
    own = {"type": "application", "bom-ref": "slipstream", "name": "slipstream", "version": released[1] if released else "0"}
    runs = [part["bom-ref"] for part in ordered if part["scope"] != "excluded"]
    content = {
        "metadata": {"component": own},
        "components": ordered,
        "dependencies": [{"ref": "slipstream", "dependsOn": runs}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **content}


def _package(purl: str, name: str, version: str, scope: str, hashes: list[str]) -> dict[str, Any]:
    files = {
        "type": "distribution",
        "url": f"https://pypi.org/project/{name}/{version.partition('+')[0]}/#files",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in sorted(set(hashes))],
    }
    known = {"externalReferences": [files]} if hashes else {}
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": scope, "purl": purl, **known}


def _image(name: str, tag: str, digest: str) -> dict[str, Any]:
    purl = f"pkg:docker/{name}@{f'sha256%3A{digest}' if digest else tag}"
    known = {"hashes": [{"alg": "SHA-256", "content": digest}]} if digest else {}
    return {"type": "container", "bom-ref": purl, "name": name, "version": tag, "scope": "required", "purl": purl, **known}


def main(arguments: list[str]) -> int:
    text = json.dumps(bill(), indent=1) + "\n"
    if not arguments:
        sys.stdout.write(text)
        return 0
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    print(f"{target}: {text.count(chr(34) + 'bom-ref' + chr(34)) - 1} components")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
