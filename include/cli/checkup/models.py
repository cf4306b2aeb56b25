"""Whether each model's spec can be loaded, and whether what is published is of its present definitions."""

from __future__ import annotations

from collections.abc import Iterator

from include.cli.checkup.finding import Finding, ok, problem, warning
from include.cli.context import CliContext
from include.core.catalog import load_spec, model_names
from include.core.errors import SlipstreamError, one_line
from include.core.spec import ModelSpec


def check_models(context: CliContext) -> Iterator[Finding]:
    names = model_names(context.settings.models)
    if not names:
        yield warning(
            "models", f"there is none in {context.settings.models}.", "SLIPSTREAM_MODELS names the package of the models."
        )
    for name in names:
        try:
            spec = load_spec(name, context.settings.models)
        except SlipstreamError as error:
            yield problem(name, one_line(error.what), one_line(error.hint))
            continue
        yield _published(context, spec)


def _published(context: CliContext, spec: ModelSpec) -> Finding:
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
    changed = changed_days({newest: made}, versions(spec.features))
    if changed:
        words = f"its spec has changed since {newest} was published: {changed[0].words}."
        return warning(spec.name, words, f"slipstream features catch-up {spec.name} --dry-run")
    return ok(spec.name, f"its spec is good, and is that of the newest of {count} published days ({newest}).")
