"""Whether each model's and feature set's spec can be loaded, and whether what is published is of its present definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.cli.context import CliContext
from include.core.catalog import load_owner, owner_names
from include.core.errors import DataError, SlipstreamError, one_line
from include.core.spec import ModelSpec, PartitionOwner

SIGNATURE = "signature.json"


def check_models(context: CliContext) -> Iterator[Finding]:
    names = owner_names(context.settings.models)
    if not names:
        yield warning(
            "models", f"there is none in {context.settings.models}.", "SLIPSTREAM_MODELS names the package of the models."
        )
    for name in names:
        try:
            spec = load_owner(name, context.settings.models)
        except SlipstreamError as error:
            yield problem(name, one_line(error.what), one_line(error.hint))
            continue
        yield _published(context, spec)
        if isinstance(spec, ModelSpec):
            yield from _champion(context, spec)


def _champion(context: CliContext, spec: ModelSpec) -> Iterator[Finding]:
    """A champion that was trained for another problem than the spec's: the gateway refuses it, and answers the default."""
    control = context.control_if_there
    if control is None:
        return
    from include.problems.of import of_spec, require_same
    from include.versions.queries import champion, records

    record = champion(records(control, spec.name))
    if record is None:
        return
    try:
        signature = context.ledger.storage.read(context.ledger.resolve(record.entry.lineage.train).files[SIGNATURE].path)
    except (SlipstreamError, FileNotFoundError, KeyError) as error:
        words = f"version {record.version}, its champion, cannot be read: {one_line(error)}"
        yield problem(spec.name, words, f"slipstream trace {spec.name}")
        return
    try:
        require_same(of_spec(spec), json.loads(signature), f"version {record.version}, its champion,")
    except DataError as error:
        yield problem(spec.name, f"{one_line(error.what)} The gateway answers the default.", one_line(error.hint))


def _published(context: CliContext, spec: PartitionOwner) -> Finding:
    """The newest published day alone is looked at: `features catch-up` looks at all."""
    control = context.control_if_there
    if control is None:
        return ok(spec.name, "its spec is good; nothing is published yet.")
    from include.data.published import extent, published  # and with them DuckDB's and Arrow's: not where nothing has run
    from include.features.offline.changed import changed_days
    from include.model_contract.view_version import versions

    newest, count = extent(control, spec.name)
    if newest is None:
        return ok(spec.name, "its spec is good; nothing is published yet.")
    ref = published(control, spec.name, newest, newest)[newest]
    try:
        made = context.ledger.resolve(ref)
    except (SlipstreamError, FileNotFoundError) as error:
        return problem(
            spec.name, f"the published day {newest} cannot be read: {one_line(error)}", f"slipstream trace {spec.name}"
        )
    changed = changed_days({newest: made}, versions(spec.features.computed))
    if changed:
        words = f"its spec has changed since {newest} was published: {changed[0].words}."
        return warning(spec.name, words, f"slipstream features catch-up {spec.name} --dry-run")
    return ok(spec.name, f"its spec is good, and is that of the newest of {count} published days ({newest}).")
