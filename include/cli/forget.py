"""`slipstream forget MODEL_OR_SET --entity KEY=VALUE`: a subject's rows go, from raw partitions to the online store."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterator
from typing import TYPE_CHECKING

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.errors import SlipstreamError, SpecError
from include.core.subject import is_telling
from include.core.time import utc_now

if TYPE_CHECKING:
    from include.core.spec import PartitionOwner
    from include.forgetting.find import Found
    from include.forgetting.models import Learned
    from include.forgetting.run import Done, Place
    from include.forgetting.scope import Scope
    from include.forgetting.search import Hit

SHOWN = 20
DID = ("request", "online", "predictions", "complete", "left", "attempts", "proof", "digest")
_ROWS = "by path, the rows in it"
SHAPES: Shapes = {
    "": {
        "owners": "the models and feature sets that it is about", "keys": "the names of the keys",
        "changed": "whether anything was: false without --yes", "files": f"raw partitions and pushed rows: {_ROWS}",
        "results": "of the ledger, by key: the rows in all of its generations",
        "learned": "versions that learned from the rows: `model`, `version`, `semver`, `stage`, and in words that "
        "one was `given_up`",
        "unread": "what could not be read, by place: why", "request": "the request's name; null without --yes",
        "online": "rows that were removed online, by owner; null without --yes",
        "predictions": "records of the prediction log that were overwritten, by model; null without --yes",
        "complete": "whether nothing was found at the end, and all could be read; null without --yes",
        "left": "what stores keep of what was there, each with what ends it; null without --yes",
        "attempts": "how many were needed, those with it that were cut off; null without --yes",
        "proof": "where the proof lies; null without --yes", "digest": "the proof's SHA-256, which the audit chain has",
        "retrained": "the training runs that were started, or how to start them",
        "hits": "with --verify: `place` and `how` of each place that still holds a value; null without",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("owner", metavar="MODEL_OR_SET", help="and all that shares a feature set with it")
    parser.add_argument(
        "--entity", action="append", default=[], metavar="KEY=VALUE", help="a key of the subject; may be given again"
    )
    parser.add_argument("--reason", default="", help="why; it goes into the audit chain, so name nobody in it")
    parser.add_argument("--mask", action="store_true", help="keep the rows, without their keys; by default the rows go")
    parser.add_argument(
        "--retrain", action="store_true", help="start the training of models that learned from them, whatever the spec says"
    )
    parser.add_argument("--verify", action="store_true", help="change nothing: search everything for the values again")
    parser.add_argument("--yes", action="store_true", help="do it; without, only show what it would affect")
    parser.set_defaults(refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    """FOUND where something still holds a value, or could not be read."""
    from include.forgetting.scope import given_keys, scope_of

    if options.yes and not options.reason.strip():
        options.refuse("--yes needs a --reason")
    context = open_context()
    named_owner = context.owner(options.owner)
    others, unknown = _others(context, options.owner)
    scope = scope_of(named_owner, others, given_keys(options.entity), unknown)
    if named := [text for text in scope.given.values() if is_telling(text) and text in options.reason]:
        raise SpecError(
            "The reason names the subject, and would be kept for ever.", seen=f"{len(named)} of the keys' values",
            safe="nothing was changed.", hint="name the request by its number at your desk instead.",
        )  # fmt: skip
    place = _place(context)
    if options.verify:
        return _verify(options, context, scope)
    return _forget(options, context, place, scope) if options.yes else _look(options, place, scope)


def _others(context: CliContext, named: str) -> tuple[list[PartitionOwner], dict[str, str]]:
    """The other models and feature sets, and why some cannot be loaded."""
    found, unknown = [], {}
    for name in (*context.model_names(), *context.feature_set_names()):
        try:
            found += [context.owner(name)] if name != named else []
        except SlipstreamError as error:
            unknown[name] = error.what
    return found, unknown


def _place(context: CliContext) -> Place:
    from include.forgetting.run import Place

    return Place(
        context.settings, context.control, context.ledger, context.prediction_log, context.online, context.actor, utc_now
    )


def _look(options: argparse.Namespace, place: Place, scope: Scope) -> int:
    from include.forgetting.run import look

    seen, models = look(place, scope)
    nothing = dict.fromkeys((*DID, "hits"))
    answer(options, {**_said(scope, seen, models), **nothing, "changed": False, "retrained": []}, _looked(scope, seen, models))
    return found(seen.unread)


def _forget(options: argparse.Namespace, context: CliContext, place: Place, scope: Scope) -> int:
    from include.forgetting.run import forget

    done = forget(place, scope, mode="mask" if options.mask else "remove", reason=options.reason)
    runs = [*_retrained(options, context, scope, done)]
    did = {name: getattr(done, name) for name in DID}
    shown = {**_said(scope, done.found, done.learned), **did, "changed": True, "retrained": runs, "hits": None}
    answer(options, shown, _did(done, runs))
    return found(not done.complete)


def _verify(options: argparse.Namespace, context: CliContext, scope: Scope) -> int:
    hits = [*_hits(context, scope)]
    nothing = dict.fromkeys(DID)
    seen = {"files": {}, "results": {}, "unread": {}, "learned": [], "retrained": [], "changed": False}
    shown = {"owners": sorted(scope.names), "keys": sorted(scope.given), **seen, **nothing, "hits": hits}
    answer(options, shown, _searched(hits, scope))
    return found(hits)


def _hits(context: CliContext, scope: Scope) -> Iterator[Hit]:
    from pathlib import Path

    from include.core.scratch import scratch_folder
    from include.forgetting.search import Hit, Wanted, in_control, in_folder, in_online, in_storage

    seen, _ = _place_look(context, scope)
    yield from (Hit(path, f"{rows} rows") for path, rows in {**seen.files, **seen.results}.items())
    yield from (Hit(path, f"not read: {why}") for path, why in seen.unread.items())
    yield from in_online(context.online(), sorted(scope.names), scope.given.values())
    if telling := [text for text in scope.given.values() if is_telling(text)]:
        wanted = Wanted.of(telling)
        with scratch_folder() as scratch:
            yield from in_storage(context.storage, wanted, scratch)
        root = context.storage.root
        yield from in_folder(context.settings.home, wanted, None if "://" in root else Path(root))
        yield from in_control(context.control, wanted)


def _place_look(context: CliContext, scope: Scope) -> tuple[Found, list[Learned]]:
    from include.forgetting.run import look

    return look(_place(context), scope)


def _retrained(options: argparse.Namespace, context: CliContext, scope: Scope, done: Done) -> Iterator[str]:
    """The training of each model whose version in production learned from the rows, where the spec or the caller asks for it."""
    from include.versions.trainer import ASKED_BY

    wanted = {spec.name for spec in scope.models if options.retrain or spec.data.on_forget == "retrain"}
    for model in sorted({each.model for each in done.learned if each.is_served} & wanted):
        dag, name = f"{model}_training", f"forget__{done.request}__{done.digest[:8]}"
        airflow = context.airflow()
        try:
            if airflow is None:
                yield f"{model}: Airflow is not known here: run {dag} yourself."
                continue
            airflow.trigger_as(dag, name, {ASKED_BY: getpass.getuser()})  # Airflow sees the platform's login
            yield f"{model}: {dag} was started as {name}."
        except SlipstreamError as error:
            yield f"{model}: {dag} was not started ({error.what}): run it yourself."


# -- words -----------------------------------------------------------------------------------------------------------------------


def _said(scope: Scope, seen: Found, models: list[Learned]) -> dict[str, object]:
    return {
        "owners": sorted(scope.names), "keys": sorted(scope.given), "files": seen.files, "results": seen.results,
        "learned": models, "unread": seen.unread,
    }  # fmt: skip


def _looked(scope: Scope, seen: Found, models: list[Learned]) -> Iterator[str]:
    yield f"In {', '.join(sorted(scope.names))}: {seen.rows} rows in {len(seen.files)} files and {len(seen.results)} results."
    yield from _some({**seen.files, **seen.results})
    yield from _models(models)
    yield from (f"not read: {path}: {why}" for path, why in seen.unread.items())
    yield "The online store and the prediction log were not looked at. Nothing was changed: --yes --reason ... does it."


def _did(done: Done, runs: list[str]) -> Iterator[str]:
    yield f"Request {done.request}."
    if done.again:
        yield "Nothing of the subject was found this time. By all times of this request together:"
    elif not done.anything:
        yield "No row of the subject was found anywhere: that is recorded, and it is on the list of those who are forgotten."
    yield f"{done.rows} rows went, from {len(done.files)} files and {len(done.results)} results of the ledger."
    yield (
        f"Online {sum(done.online.values())} rows; of the prediction log {sum(done.predictions.values())} records; "
        f"{done.answers} answers that were kept and {done.events} events that were set aside; values in {done.registry} texts "
        f"of the registry and {done.control_rows} rows of the control store."
    )
    if done.attempts > 1:
        yield f"It took {done.attempts} attempts: what one that was cut off took out of a store last is not counted."
    yield from _models(done.learned)
    yield from runs
    yield from (f"not read: {path}: {why}" for path, why in done.found.unread.items())
    if done.left:
        yield "Nothing finds it there any more, but stores still keep of it:"
        yield from (f"  {words}" for words in done.left)
    yield f"Proof: {done.proof}, SHA-256 {done.digest}."
    if not done.complete:
        yield "It is not complete: mend what could not be read, end what writes the rows again, and run it once more."
    else:
        yield "Next: the same command with --verify in place of --yes searches everything for the values once more."


def _models(models: list[Learned]) -> Iterator[str]:
    if models:
        yield "Versions that learned from the rows: " + ", ".join(
            f"{each.model} {each.version} ({each.given_up or each.stage})" for each in models
        )


def _some(rows: dict[str, int]) -> Iterator[str]:
    yield from (f"  {count:>6}  {path}" for path, count in [*rows.items()][:SHOWN])
    if len(rows) > SHOWN:
        yield f"  … and {len(rows) - SHOWN} more"


def _searched(hits: list[Hit], scope: Scope) -> Iterator[str]:
    yield from (f"{hit.place}: {hit.how}" for hit in hits)
    short = [name for name, text in scope.given.items() if not is_telling(text)]
    if short:
        yield f"The value of {', '.join(short)} is too short to be told from others: it was looked for among keys alone."
    yield f"{len(hits)} places hold a value." if hits else "Nothing was found."
