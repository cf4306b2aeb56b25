"""The libraries that the console brings: whether their bytes are still those that npm's registry has, and how they came here.

    python scripts/console_vendor.py          # check the files against the digests of plugins/console/vendor/vendor.json
    python scripts/console_vendor.py --fetch  # take them from the registry again; the tarball's digest must be the one noted

A newer version: its number and its `integrity` (`npm view NAME dist.integrity`) in vendor.json, `--fetch --accept`, and read
what changed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import urlopen

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "plugins" / "console" / "vendor"
MANIFEST = FOLDER / "vendor.json"


def libraries(manifest: Path = MANIFEST) -> list[dict[str, Any]]:
    """{name, version, licence, tarball, integrity, files: {path here: {from, sha256}}} of each."""
    found: list[dict[str, Any]] = json.loads(manifest.read_text())
    return found


def problems(known: list[dict[str, Any]], folder: Path = FOLDER) -> Iterator[str]:
    """What is not as it was noted: other bytes, a file too few or too many."""
    noted = {path: held["sha256"] for each in known for path, held in each["files"].items()}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST.name}
    yield from (f"{path} is missing" for path in sorted(noted.keys() - there))
    yield from (f"{path} is of no library that is noted" for path in sorted(there - noted.keys()))
    for path in sorted(noted.keys() & there):
        if digest(folder.joinpath(path).read_bytes()) != noted[path]:
            yield f"{path} has other bytes than those that were fetched"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unpacked(library: Mapping[str, Any], tarball: bytes) -> dict[str, bytes]:
    """The files that are kept of it, by their path here. Raises ValueError for a tarball that is not the one noted."""
    seen = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if seen != library["integrity"]:
        raise ValueError(f"{library['name']} {library['version']}: the tarball has {seen}, and {library['integrity']} is noted.")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        return {path: _member(archive, held["from"]) for path, held in library["files"].items()}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"the tarball has no file {name}.")
    return file.read()


def fetch(known: list[dict[str, Any]], *, accept: bool) -> None:
    """Write the files anew. With `accept` their digests are noted as they come; else one that differs is refused."""
    for library in known:
        with urlopen(library["tarball"], timeout=60) as answer:
            files = unpacked(library, answer.read())
        for path, data in files.items():
            if accept:
                library["files"][path]["sha256"] = digest(data)
            elif digest(data) != library["files"][path]["sha256"]:
                raise ValueError(f"{path} of the tarball is not what was noted.")
            FOLDER.joinpath(path).parent.mkdir(parents=True, exist_ok=True)
            FOLDER.joinpath(path).write_bytes(data)
    if accept:
        MANIFEST.write_text(json.dumps(known, indent=2) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", action="store_true", help="take the files from npm's registry")
    parser.add_argument("--accept", action="store_true", help="note the digests of the files that come from the noted tarball")
    options = parser.parse_args()
    if options.fetch:
        fetch(libraries(), accept=options.accept)
    found = list(problems(libraries()))
    names = ", ".join(f"{each['name']} {each['version']}" for each in libraries())
    print("\n".join(found) or f"{names}: as they were fetched.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
