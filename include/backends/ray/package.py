"""The code that a job brings to a Ray cluster elsewhere: one package for each digest, with a list of its files.

    slipstream_job.py          include/backends/ray/arrive.py: checks the list, then runs the job
    slipstream_files.json      path and SHA-256 of every file; its own digest names the package
    slipstream_authorities.pem the submitter's private authorities, if it has any
    include/...                the platform, and the models of include.models
    places/0/models/...        the folders of SLIPSTREAM_MODELS, in their order, each with its requirements beside it
    shop_models/...            its packages, those that are not installed

The same files make the same digest on any machine. Where the code is in the nodes' image, the package is the first three alone,
and the list says what the image must hold.
"""

from __future__ import annotations

import io
import json
import os
import platform
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from include.backends.ray import arrive
from include.backends.ray.arrive import AUTHORITIES, FILES, FORMAT, SCRIPT
from include.core import places
from include.core.digest import PROJECT, canonical_json, digest_bytes, digest_file
from include.core.errors import JobFailedError, SpecError
from include.core.requirements import FILE as REQUIREMENTS

LIMIT = 64 << 20  # bytes of all files; Ray's head refuses an upload of 100 MiB
MIB = 1 << 20
OUTSIDE = frozenset({"__pycache__", "node_modules"})
EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip's first moment: what is packed later is no other package


@dataclass(frozen=True)
class Package:
    """`files` are the package's own, by their path in it; `project` those that must be in the nodes' image. Both with digests."""

    files: Mapping[str, Path]
    project: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def listing(self) -> bytes:
        digests = {path: digest_file(file) for path, file in self.files.items()}
        version = ".".join(platform.python_version_tuple()[:2])
        return canonical_json({"format": FORMAT, "python": version, "package": digests, "project": dict(self.project)})

    @property
    def digest(self) -> str:
        return digest_bytes(self.listing)

    @property
    def name(self) -> str:
        """By which Ray's head keeps it; as it names its own packages, for it removes those that no job uses."""
        return f"_ray_pkg_{self.digest}.zip"

    @property
    def uri(self) -> str:
        return f"gcs://{self.name}"

    def zipped(self) -> bytes:
        """Its bytes. Raises JobFailedError where a file was changed since it was listed."""
        listed = json.loads(self.listing)["package"]
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry(FILES), self.listing)
            for path, file in sorted(self.files.items()):
                data = file.read_bytes()
                if digest_bytes(data) != listed[path]:
                    raise JobFailedError(
                        f"{file} was changed while the job's code was packed.",
                        safe="no job was started.",
                        hint="the task is retried.",
                    )
                archive.writestr(_entry(path), data)
        return held.getvalue()


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


def whole(models: str, authorities: str = "") -> Package:
    """All that a job needs: the platform and the places of models. Raises SpecError where that is too much, or cannot be read."""
    files = {**_own(authorities), **_below(PROJECT / "include", "include")}
    for path, folder in _roots(models):
        files |= _below(folder, path) if folder.is_dir() else {path: folder}
    for n, place in enumerate(places.places(models)):
        if place.folder is not None and (beside := place.folder.parent / REQUIREMENTS).is_file():
            files[f"places/{n}/{REQUIREMENTS}"] = beside
    _require_small(files)
    return Package(files)


def of_image(authorities: str = "") -> Package:
    """For nodes whose image has the code: what the platform's modules must be there. Models are checked by the request's code."""
    platform_files = _below(PROJECT / "include", "include")
    models = "include/models/"
    return Package(
        _own(authorities),
        {
            path: digest_file(file)
            for path, file in platform_files.items()
            if path.endswith(".py") and not path.startswith(models)
        },
    )


def models_of_package(models: str) -> str:
    """SLIPSTREAM_MODELS as it is for a job that has brought its places."""
    texts = []
    for n, place in enumerate(places.places(models)):
        texts.append(place.text if place.folder is None else f"{places.BESIDE}places/{n}/models")
    return os.pathsep.join(texts)


def _own(authorities: str) -> dict[str, Path]:
    files = {SCRIPT: Path(arrive.__file__)}
    if not authorities:
        return files
    path = Path(authorities)
    if not path.is_file():
        raise SpecError(
            "Jobs on a Ray cluster elsewhere need the private authorities as one file.",
            seen=authorities,
            safe="no job was started.",
            hint="name a PEM file in SLIPSTREAM_CA_BUNDLE that this process can read (`cat folder/*.pem > authorities.pem`).",
        )
    return {**files, AUTHORITIES: path}


def _roots(models: str) -> Iterator[tuple[str, Path]]:
    """What to pack of each place, by where it goes: its folder, or the top of its package."""
    for n, place in enumerate(places.places(models)):
        if place.folder is not None:
            place.models()  # says what is wrong with it, where something is
            yield f"places/{n}/models", place.folder
            continue
        top = place.package.partition(".")[0]
        root = None if top == "include" else places.root_of(top)
        if root is not None and not places.is_installed(root):
            yield (top, root / top) if (root / top).is_dir() else (f"{top}.py", root / f"{top}.py")


def _below(folder: Path, prefix: str) -> dict[str, Path]:
    """Every file below a folder but hidden ones, bytecode and what others install there. Links are followed, each once."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in OUTSIDE)
        for name in sorted(names):
            path = Path(base, name)
            if name[0] != "." and not name.endswith(".pyc") and path.is_file():
                found[f"{prefix}/{path.relative_to(folder).as_posix()}"] = path
    return found


def _require_small(files: Mapping[str, Path]) -> None:
    sizes = {path: file.stat().st_size for path, file in files.items()}
    if (total := sum(sizes.values())) <= LIMIT:
        return
    largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
    raise SpecError(
        f"The code that a job would bring is {total / MIB:.0f} MiB, more than {LIMIT // MIB}.",
        seen={str(files[path]): f"{sizes[path] / MIB:.1f} MiB" for path in largest},
        safe="no job was started.",
        hint="keep data out of the folders of models, or put the code into the nodes' image (SLIPSTREAM_RAY_CODE=image).",
    )
