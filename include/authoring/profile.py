"""The checks of `profile="regulated"`, a line each: what the spec and the platform must have, and what to do without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.core.environment import KEEP_PREDICTIONS
from include.core.environment_governance import AUDIT_ANCHOR
from include.core.errors import SpecError
from include.core.spec import ModelSpec
from include.core.spec.profile import LOGS
from include.governance.dossier.keys import CONNECTION, signing_key
from include.services.services import Services


@dataclass(frozen=True)
class Asked:
    """What is looked at: the spec, and the platform that it is on."""

    spec: ModelSpec
    home: Path
    environ: Mapping[str, str]


def _days(asked: Asked) -> int:
    """For how long the predictions are kept; 0 where nobody said it."""
    if (days := asked.spec.data.retention.predictions_days) is not None:
        return days
    text = KEEP_PREDICTIONS.read(asked.environ).strip()
    return int(text) if text.isdecimal() else 0


@dataclass(frozen=True)
class Check:
    """One thing that is asked for. `name`: in `profile_exceptions`, where it can have an exception."""

    name: str
    asks: str
    next: str
    is_met: Callable[[Asked], bool]


CHECKS = (
    Check(
        "approval", "two persons approve a version before it gets any traffic",
        'leave rollout.approval out, or write Approval(before="traffic", persons=2): docs/approval.md.',
        lambda asked: asked.spec.rollout.persons_asked is not None,
    ),
    Check(
        "slices", "the evaluation tells the metric by slice",
        "name features in evaluation.slices, or say in profile_exceptions why there are none.",
        lambda asked: bool(asked.spec.evaluation.slices),
    ),
    Check(
        "fairness", "it is measured whether groups of people are treated alike",
        "name the protected attributes in fairness.attributes: docs/fairness.md; or say in profile_exceptions why there is none.",
        lambda asked: bool(asked.spec.fairness.attributes),
    ),
    Check(
        "explanations", "the evaluation tells which features move the model",
        "leave evaluation.explanations out, or set it: docs/explanations.md.",
        lambda asked: asked.spec.evaluation.explanations is not None,
    ),
    Check(
        "robustness", "the evaluation tells what missing columns, noise and shifted categories do to the model",
        "leave evaluation.robustness out, or set it: docs/fairness.md#robustness.",
        lambda asked: asked.spec.evaluation.robustness is not None,
    ),
    Check(
        "privacy", "each candidate is attacked for whether it gives away its training rows",
        "leave evaluation.privacy out, or set it: docs/privacy.md.",
        lambda asked: asked.spec.evaluation.privacy is not None,
    ),
    Check(
        "retention", f"how long predictions are kept is stated, and is {LOGS} days at least",
        f"say data.retention.predictions_days, or {KEEP_PREDICTIONS.name}, {LOGS} or more: slipstream gc keeps to it.",
        lambda asked: _days(asked) >= LOGS,
    ),
    Check(
        "versions", "a version is kept for as long as answers that it gave are in the log",
        "leave data.retention.versions out, or let its days be no fewer than those for which predictions are kept.",
        lambda asked: (kept := asked.spec.data.retention.versions) is None or kept.days >= max(LOGS, _days(asked)),
    ),
    Check(
        "audit anchor", "the audit chain is anchored where its owner cannot rewrite it",
        f"set {AUDIT_ANCHOR.name} on the platform: docs/audit.md; then slipstream audit anchor.",
        lambda asked: bool(AUDIT_ANCHOR.read(asked.environ).strip()),
    ),
    Check(
        "dossier", "dossiers are signed, for one is made at each promotion",
        f"slipstream dossier key --new, or the connection {CONNECTION}: docs/dossier.md.",
        lambda asked: signing_key(asked.home, asked.environ) is not None,
    ),
)  # fmt: skip


def unmet(spec: ModelSpec, services: Services) -> Iterator[tuple[Check, SpecError]]:
    """What a regulated model lacks, with an error that says what to do; nothing of a standard one."""
    if spec.profile == "standard":
        return
    asked = Asked(spec, services.settings.home, services.settings.environ)
    for check in CHECKS:
        if check.name not in spec.profile_exceptions and not check.is_met(asked):
            yield check, SpecError(f'Profile "regulated": {check.asks}.', safe="nothing was changed.", hint=check.next)


def words(spec: ModelSpec, lacking: int) -> str:
    """How many of the checks are met, and which have an exception."""
    exceptions = "".join(f"; except {name}: {reason}" for name, reason in sorted(spec.profile_exceptions.items()))
    held = len(CHECKS) - lacking - sum(check.name in spec.profile_exceptions for check in CHECKS)
    return f"{spec.profile}: {held} of {len(CHECKS)} are met{exceptions}"
