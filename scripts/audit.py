"""What is known against what is locked: `make audit`, or `python3 scripts/audit.py`.

1. Packages without a hash, images without a digest.
2. The reviewed list (docs/advisories.toml): which of its entries concern the locked versions, and what we do about them.
3. A vulnerability database (OSV), where one can be reached; where none can, that is said, and the list is all there is.

Exit status: 0, or 1 if the database knows of something that is not in the list, a package has no hash, or (with STRICT=1) an
image has no digest or no database answered. AUDIT_URL names another server of the OSV API; empty asks none.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ADVISORIES = "docs/advisories.toml"
DATABASE = "https://api.osv.dev"
TIMEOUT = 10.0  # seconds
AT_ONCE = 500  # packages in one question; the API takes 1,000
STALE_DAYS = 92  # after which a review says little about today

Held = dict[str, str]  # package: locked version


def _sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", Path(__file__).with_name("sbom.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sbom = _sbom()


class Unreached(Exception):
    """No database answered; the words say why."""


def locked(root: Path) -> tuple[Held, list[str]]:
    """The packages that run, and those without a hash."""
    held, bare = Held(), list[str]()
    for lock, scope in sbom.LOCKS.items():
        for name, version, hashes in sbom.packages((root / lock).read_text()):
            if scope != "excluded":
                held[name] = version
            if not hashes:
                bare.append(f"{name}=={version} ({lock})")
    return held, bare


def concerning(advisories: Iterable[dict[str, Any]], held: Held) -> Iterator[dict[str, Any]]:
    """The entries of the list whose package is locked below its `fixed` version (empty: no version is)."""
    for entry in advisories:
        version = held.get(sbom.normal(entry["package"]))
        if version is not None and (not entry["fixed"] or _number(version) < _number(entry["fixed"])):
            yield {**entry, "version": version}


def _number(version: str) -> tuple[int, ...]:
    parts = version.partition("+")[0].split(".")
    return tuple(int("".join(letter for letter in part if letter.isdigit()) or 0) for part in parts)


def known(held: Held, url: str) -> dict[str, list[str]]:
    """Identifiers of what the database has against each package. Raises Unreached."""
    found: dict[str, list[str]] = {}
    names = sorted(held)
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        packages = [{"package": {"ecosystem": "PyPI", "name": name}, "version": held[name].partition("+")[0]} for name in some]
        answers = _ask(f"{url.rstrip('/')}/v1/querybatch", {"queries": packages})
        if len(answers) != len(some):
            raise Unreached(f"{url} answered {len(answers)} of {len(some)} questions")
        for name, answer in zip(some, answers, strict=True):
            if seen := [str(each["id"]) for each in (answer or {}).get("vulns", [])]:
                found[name] = seen
    return found


def _ask(url: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return list(json.load(response)["results"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreached(f"{url}: {getattr(error, 'reason', error) or type(error).__name__}") from error


def audit(root: Path, url: str, today: date, *, strict: bool = False) -> int:
    """Print what was found; the exit status."""
    held, bare = locked(root)
    listed = tomllib.loads((root / ADVISORIES).read_text())
    problems = _pins(root, bare, strict=strict) + _reviewed(listed, held, today)
    try:
        found = known(held, url) if url else {}
        asked = bool(url)
    except Unreached as error:
        print(f"No vulnerability database was reached ({error}).")
        found, asked = {}, False
    if not asked:
        print(f"What is told above is the reviewed list alone, of {listed['reviewed']}: it is kept by hand.")
        return problems + int(strict) and 1
    reviewed = {name for entry in listed["advisory"] for name in (entry["id"], *entry.get("aliases", ()))}
    fresh = {name: [each for each in seen if each not in reviewed] for name, seen in found.items()}
    for name, seen in sorted(fresh.items()):
        if seen:
            print(f"NOT REVIEWED  {name} {held[name]}: {', '.join(seen)}")
    print(f"The database at {url} was asked about {len(held)} packages: {sum(map(len, found.values()))} entries.")
    return (problems + sum(map(len, fresh.values()))) and 1


def _pins(root: Path, bare: list[str], *, strict: bool) -> int:
    for name in bare:
        print(f"NO HASH       {name}")
    unpinned = [f"{name}:{tag}" for name, tag, digest in sbom.images((root / sbom.IMAGES).read_text()) if not digest]
    for image in unpinned:
        print(f"NOT PINNED    {image}: no digest in {sbom.IMAGES}; docker/pin-images.sh writes it where a registry is in reach")
    return len(bare) + (len(unpinned) if strict else 0)


def _reviewed(listed: dict[str, Any], held: Held, today: date) -> int:
    for entry in concerning(listed["advisory"], held):
        print(f"{entry['state'].upper():<13} {entry['id']}  {entry['package']} {entry['version']}: {entry['what']}")
        print(f"              We: {entry['done']}")
    age = (today - listed["reviewed"]).days
    if age > STALE_DAYS:
        print(f"STALE         {ADVISORIES} was reviewed {age} days ago: read the advisories since, and set `reviewed`.")
    return 0


def main() -> int:
    return audit(ROOT, os.environ.get("AUDIT_URL", DATABASE), date.today(), strict=os.environ.get("STRICT") == "1")  # noqa: DTZ011


if __name__ == "__main__":
    sys.exit(main())
