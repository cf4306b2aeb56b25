"""What the present code would compute anew: the code that made a result is part of its key, and releases change code.

Nothing that is stored is lost or leaves its place by that: published days stay published, versions stay registered and serve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from include.cli.context import CliContext
from include.core.catalog import load_owner, owner_names
from include.core.digest import code_digest
from include.core.errors import SlipstreamError
from include.core.moved import present
from include.core.request import Ref, Request
from include.core.spec import FeatureSet, ModelSpec
from include.core.table import table
from include.data.published import refs
from include.features.request import uses
from include.governance.jobs import live
from include.versions.queries import champion, records
from include.versions.record import VersionRecord

Row = tuple[str, str, int, int, str]
Code = Callable[[str], str]  # a function by its import string, to the digest of its code


def anew(context: CliContext) -> Iterator[str]:
    """In words, for people; nothing where every result is of the present code."""
    rows = [row for name in owner_names(context.settings.models) for row in _model(context, name) if row[3]]
    if rows:
        yield "Results of other code than this release's, which their keys name:"
        yield table(("model", "what", "stored", "other code", "what follows"), rows)
    if attempts := live(context.ledger):
        yield (
            f"{len(attempts)} attempts are open, and no job computes them. A task that is cleared asks under the key of the "
            "present code, and begins anew; their checkpoints stay where they are."
        )


def _model(context: CliContext, name: str) -> Iterator[Row]:
    try:
        spec = load_owner(name, context.settings.models)
    except SlipstreamError as error:
        yield name, f"its spec cannot be loaded: {error}", 0, 1, "nothing is known of it"
        return
    control = context.any_control
    days = refs(control, name)
    following = f"they stay published; to look at them: slipstream features catch-up {name} --dry-run"
    yield name, "published days", len(days), _others(context, days, uses(spec)), following
    if isinstance(spec, FeatureSet):
        return
    known = records(control, name)
    trained = [record.entry.lineage.train for record in known]
    following = "they stay registered and serve; the next training computes its own"
    yield name, "trained versions", len(trained), _others(context, trained, (spec.training.fit,)), following
    yield from _reference(context, spec, champion(known))


def _reference(context: CliContext, spec: ModelSpec, serving: VersionRecord | None) -> Iterator[Row]:
    """The profile of the champion's past, which monitoring keeps for as long as it serves."""
    if serving is None:
        return
    train, code = serving.entry.lineage.train.digest, _code(())
    requests = map(context.ledger.request, context.ledger.requested("reference"))
    found = [request for request in requests if request.model == spec.name and _digest(request, "train") == train]
    if found and all(_is_other(request, code) for request in found):
        yield spec.name, "the champion's reference", 1, 1, "the next monitoring run profiles it anew, once"


def _digest(request: Request, name: str) -> str:
    ref = request.inputs.get(name)
    return ref.digest if ref is not None else ""


def _others(context: CliContext, refs: Sequence[Ref], uses: tuple[str, ...]) -> int:
    code = _code(uses)
    return sum(_made_by_other(context, ref, code) for ref in refs)


def _made_by_other(context: CliContext, ref: Ref, code: Code) -> bool:
    """Whether the request of a result names other code. Of one that is gone or damaged nothing is said."""
    try:
        request = context.ledger.request(context.ledger.resolve(ref).key)
    except (SlipstreamError, FileNotFoundError):
        return False
    return _is_other(request, code)


def _code(uses: tuple[str, ...]) -> Code:
    """The digest of the present code of a function, which many results share: it is read once."""
    return cache(lambda function: code_digest(present(function), *uses))


def _is_other(request: Request, code: Code) -> bool:
    try:
        return bool(request.code) and request.code != code(request.function)
    except SlipstreamError:  # its function is no more
        return True
