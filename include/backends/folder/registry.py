"""A registry that is a folder: for tests, and for a platform without MLflow.

registry/{model}/versions/{n}/key            claims the number for a registration key, by exclusive create
                             package.json, model.onnx, signature.json, report.html, card.md
                             (of one that was given up the key stays, so that no number is given twice, and the card)
                 labels.json   tags and aliases
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from include.core.control import ControlStore
from include.core.digest import canonical_json
from include.core.housekeeping import housekeeping
from include.core.scratch import scratch_folder
from include.core.settings import Settings
from include.core.storage import Storage
from include.core.versioned import Format
from include.governance.card import render
from include.governance.package import Package
from include.governance.registry import ALIASES, Published
from include.versions.record import Stage, VersionRecord
from include.versions.shown import given_up, override_of

LABELS, PACKAGE = Format("the labels of the folder registry"), Format("a version of the folder registry")


class FolderRegistry:
    """The Registry port over a Storage. A version is there when its package.json is."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def publish(self, package: Package) -> Published:
        taken = self._versions(package.model)
        for number, held in taken.items():
            if held["key"] == package.key:
                return Published(number, held["key"])
        number = self._claim(package.model, package.key)
        folder = self._folder(package.model, number)
        with housekeeping(f"leftovers of registry/{package.model}"):
            self.storage.sweep(f"registry/{package.model}")
        with scratch_folder() as scratch:
            for name, local in package.files(scratch).items():
                self.storage.upload(local, f"{folder}/{name}")
        self.storage.write(f"{folder}/card.md", render(package).encode())
        body = {"key": package.key, "tags": package.tags, "metrics": dict(package.entry.metrics)}
        self.storage.write(f"{folder}/package.json", canonical_json(PACKAGE.stamp(body)))
        return Published(number, package.key)

    def _claim(self, model: str, key: str) -> int:
        """The number that is this key's: claimed before by a process that died, or now."""
        number = 1
        while True:
            path = f"{self._folder(model, number)}/key"
            if self.storage.create(path, key.encode()) or self.storage.read(path).decode() == key:
                return number
            number += 1

    def withdraw(self, model: str, version: int) -> None:
        self.storage.delete(self._folder(model, version))

    def set_stage(self, model: str, version: int, stage: Stage) -> None:
        labels = self.labels(model)
        labels["tags"].setdefault(str(version), {})["stage"] = str(stage)
        kept = {alias: at for alias, at in labels["aliases"].items() if at != version or alias not in ALIASES.values()}
        labels["aliases"] = {**kept, **({ALIASES[stage]: version} if stage in ALIASES else {})}
        self._write_labels(model, labels)

    def mirror(self, model: str, records: Sequence[VersionRecord], aliases: Mapping[str, int]) -> None:
        with housekeeping(f"leftovers of registry/{model}"):
            self.storage.sweep(f"registry/{model}")
        tags = {str(r.version): {"stage": str(r.stage), "semver": r.semver, "gate": gate_tag(r)} for r in records}
        for record in records:
            if (gone := given_up(record)) is not None:
                tags[str(record.version)]["given_up"] = gone.words
                self._clear(model, record.version)
        self._write_labels(model, {"tags": tags, "aliases": dict(aliases)})

    def _clear(self, model: str, version: int) -> None:
        folder = self._folder(model, version)
        for path in [*self.storage.list(folder)]:
            if path not in (f"{folder}/key", f"{folder}/card.md"):
                self.storage.delete(path)

    def url(self, record: VersionRecord) -> str:
        return self.storage.uri(self._folder(record.entry.model, record.version))

    def labels(self, model: str) -> dict[str, Any]:
        """`{"tags": {version: {...}}, "aliases": {alias: version}}`."""
        try:
            data = self.storage.read(f"registry/{model}/labels.json")
        except FileNotFoundError:
            return {"tags": {}, "aliases": {}}
        return LABELS.read(json.loads(data))

    def _versions(self, model: str) -> dict[int, Any]:
        paths = self.storage.list(f"registry/{model}/versions")
        found = [path for path in paths if path.endswith("/package.json")]
        return {int(path.split("/")[-2]): PACKAGE.read(json.loads(self.storage.read(path)), path) for path in found}

    def _folder(self, model: str, version: int) -> str:
        return f"registry/{model}/versions/{version}"

    def _write_labels(self, model: str, labels: dict[str, Any]) -> None:
        self.storage.write(f"registry/{model}/labels.json", canonical_json(LABELS.stamp(labels)))


def gate_tag(record: VersionRecord) -> str:
    verdict = "passed" if record.entry.gate.passed else "closed"
    override = override_of(record)
    return f"{override.words} ({verdict})" if override is not None else verdict


def open_registry(settings: Settings, control: ControlStore) -> FolderRegistry:
    """The registry under the storage root."""
    del control  # the folder needs no lock of its own: registrations wait for each other
    return FolderRegistry(settings.storage())
