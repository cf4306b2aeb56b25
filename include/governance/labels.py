"""What the registry should show of a model: the stages of its versions as tags, and aliases. Read from the control store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from include.core.control import ControlStore
from include.core.digest import digest_json
from include.core.request import Json
from include.rollout_state.queries import challenger, challengers_in
from include.versions.given_up import given_up_in
from include.versions.queries import standings_in
from include.versions.record import Stage, VersionRecord
from include.versions.shown import shown_records

ALIASES = {Stage.PRODUCTION: "champion", Stage.CANDIDATE: "candidate"}


@dataclass(frozen=True)
class Labels:
    records: tuple[VersionRecord, ...]
    aliases: dict[str, int]
    digest: str  # the same as `digests` gives


def labels(control: ControlStore, model: str) -> Labels:
    """A model's labels as they are now."""
    digest = digests(control, model).get(model, "")
    records = tuple(shown_records(control, model))
    return Labels(records, _aliases(records, challenger(control, model)), digest)


def digests(control: ControlStore, model: str = "") -> dict[str, str]:
    """A digest of the labels of every model that has versions, or of one: two are equal where nothing is to be shown anew."""
    found: dict[str, list[Json]] = {}
    with control.transaction() as connection:
        live, gone = challengers_in(connection), given_up_in(connection, model)
        for each in standings_in(connection, model=model):
            said: list[Json] = [each.version, each.semver, str(each.stage), each.gate]
            if (given_up := gone.get((each.model, each.version))) is not None:
                said.append(given_up.at)
            found.setdefault(each.model, []).append(said)
    return {name: digest_json([shown, live.get(name)]) for name, shown in found.items()}


def _aliases(records: Sequence[VersionRecord], challenger: int | None) -> dict[str, int]:
    """Of several candidates the one that was registered last: numbers may begin again where a model was deleted by hand."""
    known_since = sorted(records, key=lambda record: (record.created_at, record.version))
    aliases = {ALIASES[record.stage]: record.version for record in known_since if record.stage in ALIASES}
    return aliases if challenger is None else {**aliases, "challenger": challenger}
