"""`slipstream gate explain|plan|open MODEL [VERSION]`: why a gate is closed, what would open it, and opening it by hand.

Needs the control store and the ledger; Airflow may be down.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from include.cli.answer import Shapes, answer
from include.cli.arguments import version_number
from include.cli.context import CliContext, open_context
from include.core.catalog import load_spec
from include.core.errors import DataError, IntegrityError
from include.core.spec import ModelSpec
from include.core.table import table
from include.versions.shown import ShownRecord, shown_records, shown_version

if TYPE_CHECKING:
    from include.evaluation.gate_plan import GatePlan

VERBS = {
    "explain": "why the gate of a version is open or closed, and what is missing",
    "plan": "how many holdout rows and days the next challenger needs",
    "open": "let a version go on although its gate is closed: your name and the reason are audited",
}

OVERRIDE = "who opened it by hand (`actor`), the `reason`, when (`at`) and `despite` what; null where nobody did"
SHAPES: Shapes = {
    "explain": {
        "model": "its name", "version": "which one", "stage": "Candidate, Staging ...",
        "gate": "`passed`, the `reasons` at length, and `notes` that close no gate", "override": OVERRIDE,
    },
    "plan": {
        "model": "its name", "metric": "what the gate compares by", "margin": "evaluation.margin", "alpha": "evaluation.alpha",
        "power": "the chance of passing that is planned for", "holdout_days": "training.holdout_days",
        "rows_per_day": "labelled rows of a held-out day", "source": "what the spread is known from",
        "error": "the standard error of a difference that was seen, or assumed",
        "lines": "by the true difference (`worse`, `words`): `chance` now, and the `rows` and `days` for the power",
    },
    "open": {
        "model": "its name", "version": "which one", "before": "its stage before", "override": OVERRIDE,
        "repeated": "whether it had been opened before", "waits": "whether a live rollout comes first",
        "registry": "what became of its labels there",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=VERBS, help="; ".join(f"{verb}: {words}" for verb, words in VERBS.items()))
    parser.add_argument("model")
    parser.add_argument("version", nargs="?", help="explain: the newest by default; plan: from its evaluation; open: which one")
    parser.add_argument("--reason", default="", help="open: why it may go on all the same")
    parser.add_argument("--rows-per-day", type=float, metavar="N", help="plan: labelled rows a day, where nothing is trained yet")
    parser.add_argument("--auc", type=float, default=0.7, help="plan: of both models, where nothing is trained yet (%(default)s)")
    parser.add_argument("--rate", type=float, default=0.2, help="plan: share of positive labels, likewise (%(default)s)")
    spread = "plan: of the metric from row to row, in place of --auc and --rate for what is no 0 or 1"
    parser.add_argument("--deviation", type=float, metavar="X", help=spread)
    parser.add_argument("--alike", type=float, help="plan: how two models' errors correlate, where none were compared (0.9)")


def run(options: argparse.Namespace) -> int:
    context = open_context()
    acts = {"explain": _explain, "plan": _plan, "open": _open}
    told, text = acts[options.verb](context, options)
    answer(options, told, text)
    return 0


Told = tuple[dict[str, Any], str]  # as JSON, and as text


def _explain(context: CliContext, options: argparse.Namespace) -> Told:
    record = _version(context, options)
    words, notes = _words(context, record)
    gate = {"passed": record.entry.gate.passed, "reasons": words, "notes": notes}
    override = record.override.to_json() if record.override else None
    told = {"model": options.model, "version": record.version, "stage": str(record.stage), "gate": gate, "override": override}
    return told, "\n".join(_explained(record, words, notes))


def _explained(record: ShownRecord, words: list[str], notes: list[str]) -> Iterator[str]:
    model, passed = record.entry.model, record.entry.gate.passed
    yield f"{model} version {record.version} ({record.stage}): the gate is {'open' if passed else 'closed'}"
    yield from (f"  - {reason}" for reason in words)
    yield from (f"  note: {note}" for note in notes)
    if record.override is not None:
        yield f"  {record.override.words}"
    if record.given_up is not None:
        yield f"It was {record.given_up.words}: it can never be rolled out again."
        return
    if not passed:
        yield f"What it takes: slipstream gate plan {model}"
        yield f'By hand, with a reason: slipstream gate open {model} {record.version} --reason "..."'


def _words(context: CliContext, record: ShownRecord) -> tuple[list[str], list[str]]:
    """The reasons at length and the notes, from the evaluation; as they were registered where it is gone."""
    from include.problems.gate_words import asked_of, notes, reasons

    spec = load_spec(record.entry.model, context.settings.models)
    try:
        evaluated = context.ledger.resolve(record.entry.lineage.evaluation)
        asked = asked_of(context.ledger.request(evaluated.key).params, spec.evaluation)
    except (DataError, IntegrityError, FileNotFoundError):
        return list(record.entry.gate.reasons), []
    return list(reasons(evaluated.value, asked)), list(notes(evaluated.value, asked))


def _version(context: CliContext, options: argparse.Namespace) -> ShownRecord:
    if options.version is not None:
        return shown_version(context.control, options.model, version_number(options.version, options.model))
    known = shown_records(context.control, options.model)
    if not known:
        raise DataError(
            f"{options.model} has no registered version.",
            hint=f"its training DAG registers one; before it, `slipstream gate plan {options.model} --rows-per-day N`.",
        )
    return known[-1]


def _plan(context: CliContext, options: argparse.Namespace) -> Told:
    from include.evaluation.gate_plan import ALIKE, assumed, assumed_loss, measured, plan
    from include.problems.holdout_plan import Assumed, AssumedLoss

    spec = load_spec(options.model, context.settings.models)
    alike = ALIKE if options.alike is None else options.alike
    if not 0 <= alike < 1:
        raise DataError("A correlation is from 0 to below 1.", seen=alike, hint="leave --alike out, or give one such as 0.9.")
    seen = None
    if options.rows_per_day is None and context.control_if_there is not None:
        known = [_version(context, options)] if options.version else shown_records(context.control, options.model)
        seen = measured(context.ledger, spec, known, alike)
    if seen is None and options.deviation is not None:
        seen = assumed_loss(spec, AssumedLoss(options.deviation, alike), _rows_per_day(options))
    elif seen is None:
        seen = assumed(spec, Assumed(options.auc, options.rate, alike), _rows_per_day(options))
    found = plan(spec, seen)
    return found.to_json(), _planned(spec, found)


def _rows_per_day(options: argparse.Namespace) -> float:
    if options.rows_per_day is None:
        raise DataError(
            f"{options.model} has no version whose evaluation can be read, so its rows a day are not known.",
            safe="nothing was changed.",
            hint=f"say them: slipstream gate plan {options.model} --rows-per-day 500 (and --auc, --rate, --deviation, --alike).",
        )
    return float(options.rows_per_day)


def _planned(spec: ModelSpec, found: GatePlan) -> str:
    from include.problems.of import of_spec
    from include.problems.stated import stated, units_of

    metric, units = stated(of_spec(spec), found.metric), units_of(of_spec(spec))
    head = (
        f"{spec.name}: a challenger passes if it is shown to lose less than {found.margin:g}{metric.unit} {found.metric} to the "
        f"champion (evaluation.margin), at evaluation.alpha {found.alpha:g}.\n"
        f"Its holdout is the newest {found.holdout_days} days (training.holdout_days), of about {found.rows_per_day:,.0f} "
        f"labelled {units} each.\nA difference on it has a standard error of {found.error:.4f}{metric.unit}: {found.source}."
    )
    rows = [
        (line.words, f"{line.chance:.0%}", "no number" if line.rows is None else f"{line.rows:,}",
         "–" if line.days is None else f"{line.days:,}")
        for line in found.lines
    ]  # fmt: skip
    names = ("a challenger that is truly", "passes now in", f"{units} for {found.power:.0%}", "days")
    good = found.lines[1]
    return "\n".join([head, "", table(names, rows), "", _advice(spec, good.days)])


def _advice(spec: ModelSpec, days: int | None) -> str:
    held = spec.training.holdout_days
    if days is not None and days <= held:
        return f"{held} days are enough for a challenger that is as good."
    wanted = f"training.holdout_days={days}" if days is not None else "more rows a day"
    return (
        f"A challenger that is as good as the champion needs {wanted}; or a wider evaluation.margin, if a loss of that size "
        "can be borne. Days that are held out are not trained on."
    )


def _open(context: CliContext, options: argparse.Namespace) -> Told:
    from include.cli.rollback import show_labels
    from include.rollout.history import live_rollout
    from include.rollout.open_gate import open_gate

    if options.version is None:
        raise DataError(
            "Which version's gate?", safe="nothing was changed.", hint=f"`slipstream versions {options.model}` lists them."
        )
    version = version_number(options.version, options.model)
    done = open_gate(context.control, context.ledger, options.model, version, actor=context.actor, reason=options.reason)
    waits, labels = live_rollout(context.control, options.model) is not None, show_labels(context, done.model)
    told = {"model": done.model, "version": version, "before": done.before, "override": done.override.to_json()}
    was = "was opened before" if done.repeated else "is open now"
    busy = " The rollout that is live comes first." if waits else ""
    text = (
        f"{done.model}: the gate of version {version} {was}, {done.override.words}.\n"
        f"It holds for one rollout. No traffic has moved.{busy} Roll it out: trigger the DAG {done.model}_rollout with "
        f"version={version}, or\n  airflow dags trigger {done.model}_rollout --conf '{{\"version\": {version}}}'\n{labels}"
    )
    return {**told, "repeated": done.repeated, "waits": waits, "registry": labels}, text
