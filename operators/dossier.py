"""The dossiers that a regulated model gets: when persons are asked about a version, and at each promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.core.errors import SlipstreamError, one_line
from include.services.services import Services
from operators.alert import Alert, send_alert

if TYPE_CHECKING:
    from include.overview.dossier.keep import Kept
    from include.rollout.history import Rollout

PLAYBOOK = "docs/dossier.md#at-each-promotion"


def keep_dossier(services: Services, rollout: Rollout, actor: str, asked: str = "") -> Kept | None:
    """Of a model with `profile="regulated"`: made, signed and stored. Nothing here undoes a promotion, or fails it: what could
    not be made, or signed, is a ticket. `asked`: the digest of what persons are asked about, who may then read it."""
    from include.governance.dossier.keys import CONNECTION, signing_key
    from include.overview.dossier.keep import keep

    model, version = rollout.model, rollout.challenger
    try:
        if services.spec(model).profile == "standard":
            return None
        settings = services.with_connection(CONNECTION)
        kept = keep(services, model, version, rollout.id, signing_key(settings.home, settings.environ), actor, asked)
    except SlipstreamError as error:
        _tell(services, rollout, "dossier_missing", f"The dossier of {model} version {version} was not made: {one_line(error)}")
        return None
    if not kept.signed:
        _tell(services, rollout, "dossier_unsigned", f"Nobody signed the dossier of {model} version {version}: there is no key.")
    return kept


def _tell(services: Services, rollout: Rollout, event: str, words: str) -> None:
    send_alert(Alert(f"{event}/{rollout.id}", event, "ticket", rollout.model, words, PLAYBOOK), services.control)
