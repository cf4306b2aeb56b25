"""`slipstream gc`: what nobody needs any more is shown, and with --yes removed. What goes is computed anew when asked for."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import Exit
from include.cli.writers import writers
from include.core.environment import KEEP_PREDICTIONS
from include.core.errors import ConflictError, SpecError
from include.core.time import now
from include.retention.finding import Finding
from include.retention.ledger import Bounds
from include.retention.run import Place, Report, collect

_STEPS = {
    "condemned": "nobody begins to use it from now on; removed by later runs",
    "withdrawn": "references to it resolve no more from now on; removed by a later run",
    "lifted": "needed again: taken back",
    "removed": "gone",
    "given up": "a record from now on, which can never be served again; its files go by later runs",
    "recorded": "what a run that was cut off had left to do",
}
_FOUND = "`kind`, `name`, `step`, `bytes`, `files` and, of a version, `why` of each"
SHAPES: Shapes = {
    "": {
        "found": f"what is due now: {_FOUND}", "done": f"what of it was done: {_FOUND}; empty without --yes",
        "freed": "bytes", "unknown": "what could not be looked at, and why",
        "kept": "versions that the rule of their model would give up, and why they stay",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    bounds = Bounds()
    parser.add_argument("--yes", action="store_true", help="do it; without, only show what is due")
    parser.add_argument(
        "--older-than", type=float, default=bounds.older_than.days, metavar="DAYS",
        help=f"what was written to within so many days is left alone (default: {bounds.older_than.days})",
    )  # fmt: skip
    parser.add_argument(
        "--grace", type=float, default=bounds.grace.days, metavar="DAYS",
        help="how long a result that nothing refers to can still be read, after a first run has found it: longer than any run "
        f"takes, and than the age of a backup that is to be restored (default: {bounds.grace.days})",
    )  # fmt: skip
    parser.add_argument("--stopped", action="store_true", help="without the grace: refused unless nothing runs here")
    parser.add_argument(
        "--keep-predictions", type=int, default=None, metavar="DAYS",
        help="remove the prediction log of the days before the last so many (default: SLIPSTREAM_KEEP_PREDICTIONS, else all is "
        "kept)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """RETRY where something could not be looked at: the rest was done."""
    context = open_context()
    report = collect(_place(context), _bounds(options, context), _keep_days(options, context), dry_run=not options.yes)
    said = {"found": report.found, "done": report.done, "freed": report.freed, "unknown": report.unknown}
    said |= {"kept": report.kept}
    shown = {
        name: [each.to_json() for each in each_of] if isinstance(each_of, list) else each_of for name, each_of in said.items()
    }
    answer(options, shown, _words(report, done=options.yes))
    return Exit.RETRY if report.unknown else Exit.DONE


def _place(context: CliContext) -> Place:
    return Place(
        context.settings, context.control, context.ledger, context.jobs, context.spec, context.model_names(), now, context.actor,
        lambda: [context.feature_set(name) for name in context.feature_set_names()], _dossier(context), _show(context),
    )  # fmt: skip


def _dossier(context: CliContext) -> Callable[[str, int, str], str] | None:
    """Makes and keeps the dossier of a version that is about to be given up; None where there is no key to sign it with."""
    from include.governance.dossier.keys import CONNECTION, signing_key
    from include.overview.dossier.keep import keep_last

    settings = context.with_connection(CONNECTION)
    key = signing_key(settings.home, settings.environ)
    if key is None:
        return None
    return lambda model, version, last: keep_last(context, model, version, last, key, context.actor).path


def _show(context: CliContext) -> Callable[[str], None]:
    from include.governance.mirror import follow

    return lambda model: print(problem) if (problem := follow(context.control, context.labels, model)) else None


def _bounds(options: argparse.Namespace, context: CliContext) -> Bounds:
    if options.older_than < 1 or options.grace < 1:
        raise SpecError(
            "Less than a day is no time to leave things alone: a run may take as long.",
            seen={"older_than": options.older_than, "grace": options.grace}, safe="nothing was changed.",
            hint="give a day or more; --stopped, where nothing runs, needs no grace.",
        )  # fmt: skip
    older_than = timedelta(days=options.older_than)
    if not options.stopped:
        return Bounds(older_than, timedelta(days=options.grace))
    if found := writers(context):
        raise ConflictError(
            f"Something runs that may use what is removed: {'; '.join(each.what for each in found)}.",
            safe="nothing was changed.",
            hint=f"{'; '.join(dict.fromkeys(each.stop for each in found))}; or without --stopped.",
        )
    return Bounds.stopped(older_than)


def _keep_days(options: argparse.Namespace, context: CliContext) -> int | None:
    if options.keep_predictions is not None:
        return int(options.keep_predictions)
    text = KEEP_PREDICTIONS.read(context.settings.environ).strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise SpecError(
            f"{KEEP_PREDICTIONS.name} is no number of days.", seen=text, safe="nothing was changed.", hint="write it as 400."
        )
    return int(text)


def _words(report: Report, *, done: bool) -> Iterator[str]:
    from include.core.table import table

    shown = report.done if done else report.found
    if shown:
        yield table(("what", "count", "files", "MB", "now", ""), _rows(shown))
    yield from (f"{each.name}: {each.why}" for each in shown if each.why)
    yield from (f"{name} stays, whatever its rule says: {why}" for name, why in report.kept.items())
    for name, why in report.unknown.items():
        yield f"not known of {name}: {why}"
    if not report.found:
        yield "Nothing is due."
    elif done:
        yield f"{report.freed / 1e6:,.1f} MB are free."
    else:
        free = sum(each.bytes for each in shown if each.frees)
        yield f"{free / 1e6:,.1f} MB would be free. Nothing was changed: --yes does it."


def _rows(found: Sequence[Finding]) -> Iterator[tuple[str, int, int, str, str, str]]:
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for each in found:
        groups[str(each.kind), each.step].append(each)
    for (kind, step), members in sorted(groups.items()):
        size, files = sum(each.bytes for each in members), sum(each.files for each in members)
        yield kind, len(members), files, f"{size / 1e6:,.1f}", step, _STEPS[step]
