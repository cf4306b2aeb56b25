"""`slipstream backup create|verify|restore ADDRESS`: what the platform knows, to another place and back."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from include.backup.create import create, key_mark
from include.backup.manifest import Manifest, read
from include.backup.restore import Restored, Wanted, restore
from include.backup.verify import verify
from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.cli.exits import found
from include.core.address import shown
from include.core.digest import PROJECT
from include.core.errors import ConflictError
from include.core.scratch import scratch_folder
from include.core.storage import Storage, open_storage
from include.governance.audit_chain import verify as verify_audit
from include.local.platform import Platform
from include.local.supervisor import Supervisor
from include.services.services import Services

SHOWN = 5
_MANIFEST = {
    "id": "of the backup", "made_at": "when", "release": "that made it", "schema": "the control store's number",
    "audit": "the newest row of the audit chain: `seq`, `hash`",
}  # fmt: skip
SHAPES: Shapes = {
    "create": {
        "address": "where it is", **_MANIFEST, "parts": "how many", "rows": "of the control store, by table",
        "files": "of the storage root that are in it", "bytes": "of those files",
    },
    "verify": {
        "address": "where it is", **_MANIFEST, "parts": "how many", "files": "of the storage root that are in it",
        "references": "of published days and versions",
        "problems": "what is wrong with the backup, in words", "lacking": "references that the storage root does not hold",
    },
    "restore": {
        "address": "where it is", **_MANIFEST, "changed": "false with --dry-run",
        "went_on": "whether an earlier run had begun it",
        "rows": "that were restored, by table", "references": "of published days and versions",
        "lacking": "references that the storage root does not hold", "files": "of the storage root that are in it",
        "kept": "files that the root had otherwise, and kept", "tokens": "whether the gateway's tokens were put here",
        "audit_intact": "whether the audit chain is as it was written; null with --dry-run",
        "same_entity_key": "whether the key that hides entities in logs is the same one; null where none is known",
        "next": "what is to be done now, in words",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    create = verbs.add_parser("create", help="write one, while the platform runs; the place must hold none")
    _address(create)
    create.add_argument("--with-data", action="store_true", help="with every file of the storage root, too")
    verify = verbs.add_parser("verify", help="compute every digest again, and resolve every reference; nothing is written")
    _address(verify)
    restore = verbs.add_parser("restore", help="into an empty control store, over the storage root that the settings name")
    _address(restore)
    restore.add_argument(
        "--dry-run", action="store_true", help="check the backup, the control store and the storage; change nothing"
    )
    restore.add_argument("--take-over", action="store_true", help="the root was another platform's, which is gone: shut it out")
    restore.add_argument("--anyway", action="store_true", help="although the storage lacks some of what is referred to")


def _address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", help="a folder, or s3://bucket/prefix, of this backup alone")


def run(options: argparse.Namespace) -> int:
    """FOUND where a backup is damaged, or a storage lacks what is referred to."""
    context = open_context()
    verbs = {"create": _create, "verify": _verify, "restore": _restore}
    return verbs[options.verb](options, context, open_storage(options.address))


def _create(options: argparse.Namespace, context: CliContext, target: Storage) -> int:
    made = create(
        context.settings, context.control, context.ledger.storage, target, with_data=options.with_data, release=_release()
    )
    manifest, rows = made.manifest, {part.name.removeprefix("slipstream_"): part.rows for part in made.manifest.of("control")}
    data = f", with {made.files} files of the storage ({made.bytes / 1e6:,.1f} MB)" if manifest.with_data else ""
    words = [
        f"{shown(target.root)} holds {sum(rows.values())} rows of {len(rows)} tables{data}.",
        f"It was made at {manifest.made_at[:19]} UTC; its digest is {manifest.to_json()['digest'][:16]}.",
        *([] if manifest.with_data else [f"The files under {shown(manifest.root)} are not in it: copy them by their own means."]),
        "Not in it: passwords, keys and connections; MLflow's and Airflow's databases. See docs/operating.md#backup.",
    ]
    answer(options, {"address": target.root, **_said(manifest), "parts": len(manifest.parts), "rows": rows, "files": made.files,
                     "bytes": made.bytes}, words)  # fmt: skip
    return 0


def _verify(options: argparse.Namespace, context: CliContext, source: Storage) -> int:
    manifest = read(source)
    with scratch_folder(context.settings.scratch()) as scratch:
        checked = verify(source, manifest, scratch, context.ledger.storage)
    words = [
        f"{each}" for each in (*checked.problems[:SHOWN], *checked.lacking[:SHOWN])
    ] or [f"All {checked.parts} parts are as they were written."]  # fmt: skip
    if not checked.problems:
        held = checked.references - len(checked.lacking)
        words.append(f"{held} of {checked.references} references lead to their results under {shown(context.settings.root)}.")
    counts = {"parts": checked.parts, "files": checked.files, "references": checked.references}
    wrong = {"problems": checked.problems, "lacking": checked.lacking}
    answer(options, {"address": source.root, **_said(manifest), **counts, **wrong}, words)
    return found(checked.problems or checked.lacking)


def _restore(options: argparse.Namespace, context: CliContext, source: Storage) -> int:
    manifest = read(source)
    _require_stopped(context)
    control = Services(context.settings).any_control  # a command makes no control store otherwise; this one fills it
    wanted = Wanted(context.actor, options.take_over, options.anyway, options.dry_run)
    with scratch_folder(context.settings.scratch()) as scratch:
        done = restore(context.settings, control, context.ledger.storage, source, manifest, scratch, wanted)
    audit = None if options.dry_run else verify_audit(control, context.ledger.storage)
    same = _same_key(context, manifest)
    steps = [] if options.dry_run else list(_next(context, done, audit is None or audit.intact, same))
    words = _words(context, done, options.dry_run)
    if audit is not None:
        words.append(f"The audit chain {'verifies' if audit.intact else 'is not as it was written'}: {audit.words}")
    said = {
        "changed": not options.dry_run, "went_on": done.went_on, "rows": {name.removeprefix("slipstream_"): count for name, count
        in done.rows.items()}, "references": done.references, "lacking": done.lacking, "files": done.files, "kept": done.kept,
        "tokens": done.tokens, "audit_intact": audit.intact if audit is not None else None, "same_entity_key": same,
        "next": steps,
    }  # fmt: skip
    answer(options, {"address": source.root, **_said(manifest), **said}, [*words, *(f"  next: {step}" for step in steps)])
    return found(done.lacking or (audit is not None and not audit.intact))


def _words(context: CliContext, done: Restored, dry_run: bool) -> list[str]:
    where, held = shown(context.settings.control_url), done.references - len(done.lacking)
    words = [f"{held} of {done.references} references lead to their results under {shown(context.settings.root)}."]
    words += [f"  {each}" for each in done.lacking[:SHOWN]]
    if dry_run:
        return [*words, f"It can be restored into {where}. Nothing was changed."]
    if done.went_on:
        return [*words, f"{where} had been filled from this backup before; what was left to do is done."]
    words.append(f"{sum(done.rows.values())} rows of {len(done.rows)} tables are in {where}.")
    if done.kept:
        words.append(f"{len(done.kept)} files of the storage differ from the backup's, and stay: {', '.join(done.kept[:SHOWN])}")
    return words


def _next(context: CliContext, done: Restored, audit_intact: bool, same_key: bool | None) -> Iterator[str]:
    """What the restored platform lacks, in the order in which a person does it."""
    yield "see that nothing of the former platform runs: its gateway and scheduler are not stopped by this"
    if same_key is False:
        yield "bring the former entity key (secrets/entity_key, or its connection): in logs, entities are hidden by another here"
    if not audit_intact:
        yield f'slipstream audit accept --reason "restored from the backup of {done.manifest.made_at[:10]}", if that is why'
    for model in context.model_names():
        yield f"slipstream features catch-up {model}: brings online what is published"
    yield "slipstream mirror: shows the versions' stages in the registry"
    yield "make up, or start the gateway and Airflow; slipstream reconcile --dry-run says what nobody drives"


def _same_key(context: CliContext, manifest: Manifest) -> bool | None:
    here = key_mark(context.settings)
    return here == manifest.entity_key if manifest.entity_key else None


def _require_stopped(context: CliContext) -> None:
    platform = Platform(context.settings.home)
    if Supervisor(platform).running():
        raise ConflictError(
            f"The platform in {platform.home} runs.", safe="nothing was changed.", hint="`make down`, then this command again."
        )


def _said(manifest: Manifest) -> dict[str, object]:
    head = {"seq": manifest.audit_seq, "hash": manifest.audit_hash}
    return {"id": manifest.id, "made_at": manifest.made_at, "release": manifest.release, "schema": manifest.schema, "audit": head}


def _release() -> str:
    """The version of the release; from the project's own file where it is not installed as a package."""
    try:
        return version("slipstream")
    except PackageNotFoundError:
        import tomllib

        project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
        return str(project["project"]["version"])
