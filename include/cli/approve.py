"""`slipstream approve MODEL VERSION --reason "..."`: a person's yes to a version that waits for one. Needs Airflow's API server.

It answers as the person whom Airflow logs in, by their password or a token of theirs: no option says a name without it.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from include.cli.answer import Shapes, answer
from include.cli.arguments import version_number
from include.cli.context import CliContext, open_context
from include.core.environment import AIRFLOW_TOKEN
from include.core.errors import ConflictError
from include.versions.queries import require_version

if TYPE_CHECKING:
    from include.backends.airflow.person import Session

DECIDED = {
    "model": "its name", "version": "the version", "rollout": "the rollout's id", "approved": "whether it was a yes",
    "missing": "persons who have yet to approve", "repeated": "whether it was known before", "by": "who Airflow says it was",
    "seen": "the digest of what was shown",
}  # fmt: skip
SHAPES: Shapes = {"": DECIDED}
SHOWN = 12  # metrics that are shown


def configure(parser: argparse.ArgumentParser) -> None:
    arguments(parser)


def run(options: argparse.Namespace) -> int:
    return decide(options, "approve")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model")
    parser.add_argument("version", help="its number: `slipstream rollout status MODEL` says which one waits")
    parser.add_argument("--reason", required=True, help="what you looked at, and why: it stands beside the version")
    parser.add_argument("--user", default=getpass.getuser(), help="your name in Airflow; its password is asked for")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from the standard input")
    parser.add_argument("--seen", default="", metavar="DIGEST", help="answer only for what was shown with this digest (its head)")


def decide(options: argparse.Namespace, verdict: str) -> int:
    """Log in, show what there is to see, answer for exactly that."""
    context = open_context()
    version = version_number(options.version, options.model)
    if (control := context.control_if_there) is not None:  # else it is Airflow's side that knows
        with control.transaction() as connection:
            require_version(connection, options.model, version)
    session = _session(context, options)
    found = session.look(options.model, version)
    shown = found["waiting"]
    if shown is None or shown["version"] != version:
        waits = "nothing of it waits" if shown is None else f"version {shown['version']} waits"
        raise ConflictError(
            f"Version {version} of {options.model} waits for nobody: {found.get('nobody') or waits}.",
            safe="nothing was decided.",
            hint=f"slipstream rollout status {options.model}",
        )
    for line in _told(shown):
        print(line)
    if not shown["seen"].startswith(options.seen):
        raise ConflictError(
            f"What there is to see of version {version} of {options.model} is another than {options.seen}.",
            seen=shown["seen"][:SHOWN],
            safe="nothing was decided.",
            hint="look at it again, and leave out --seen or name that one.",
        )
    body = {"version": version, "answer": verdict, "reason": options.reason, "seen": shown["seen"], "via": "command line"}
    done = {**session.answer(options.model, body), "seen": shown["seen"]}
    answer(options, done, _said(done))
    return 0


def _session(context: CliContext, options: argparse.Namespace) -> Session:
    from include.backends.airflow.person import Session, log_in

    url = context.settings.airflow_url
    if token := AIRFLOW_TOKEN.read():
        return Session(url, token)
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass.getpass(f"Airflow password of {options.user}: ")
    return log_in(url, options.user, password)


def _told(shown: Mapping[str, Any]) -> Iterator[str]:
    yield f"{shown['model']} version {shown['version']} ({shown['semver']}) {shown['words']}"
    yield f"data until: {shown['as_of'] or 'unknown'}"
    gate = shown["gate"]
    yield "gate: open" if gate["passed"] else f"gate: closed, {'; '.join(gate.get('reasons', ()))} {shown['override']}".rstrip()
    for name, pair in list(shown["metrics"].items())[:SHOWN]:
        champion = "" if pair["champion"] is None else f" (champion {pair['champion']:.4g})"
        yield f"  {name}: {pair['version']:.4g}{champion}"
    for doubt in shown.get("doubts", ()):  # an API server of an earlier release has none
        yield f"  doubted since {doubt['at'][:16]} UTC: {doubt['stage']}, {doubt['words']}"
    for stage in shown["evidence"]:
        yield f"  {stage['stage']}: {stage['answer']}, {'; '.join(stage['reasons'])}"


def _said(done: Mapping[str, Any]) -> str:
    about = f"{done['model']}: version {done['version']}"
    if not done["approved"]:
        return f"{about} is rejected by {done['by']}, and rolled back."
    more = f"; {done['missing']} more must" if done["missing"] else ": it goes on"
    return f"{about} is approved by {done['by']}{more}."
