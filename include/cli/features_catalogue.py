"""`slipstream features`: the catalogue of every feature set's and model's features."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from include.cli.answer import answer
from include.cli.context import open_context
from include.core.table import table
from include.overview.catalogue import Catalogue, Entry, catalogue

CATALOGUE = {
    "features": "a feature each: `owner`, `kind` (feature_set, model), `team`, `view`, `feature`, `dtype`, `description`, "
    "`keys`, `tags`, `version` of the view, `sql` (its digest), `sources`, `newest` (event time online), `age` and `promise` in "
    "seconds, `stale`, `day` (the newest published), `models` that read it, `live` versions, `profile` of that day (`rows`, "
    "`null_share`, `quantiles` or `commonest`)",
    "broken": "what cannot be loaded or asked, with why",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-profile", action="store_true", help="of the catalogue: do not read the newest day's values")


def run(options: argparse.Namespace) -> int:
    seen = catalogue(open_context(), options.model or "", profile=not options.no_profile)
    answer(options, seen.to_json(), _words(seen))
    return 0


def _words(seen: Catalogue) -> Iterator[str]:
    if seen.entries:
        head = ("owner", "view", "feature", "type", "fresh", "used by", "missing", "values")
        yield table(head, [_row(each) for each in seen.entries])
    else:
        yield "There are no features yet: no feature set, and no model with views of its own."
    yield from (f"warning: {name}: {why}" for name, why in seen.broken.items())


def _row(each: Entry) -> tuple[object, ...]:
    live = [f"{reader.model} v{reader.version}" for reader in each.live]
    used = ", ".join([*each.models, *(f"live {name}" for name in live)]) or "nobody"
    missing = each.profile.get("null_share")
    share = "" if missing is None else f"{100 * missing:.1f} %"
    return f"{each.owner} ({each.team})", each.view, each.feature, each.dtype, _fresh(each), used, share, _values(each.profile)


def _fresh(each: Entry) -> str:
    if each.age is None:
        return "nothing online" if each.day else "not published"
    return f"{timedelta(seconds=round(each.age))}{' STALE' if each.stale else ''}"


def _values(profile: Mapping[str, Any]) -> str:
    if profile.get("quantiles"):
        return " ".join(f"{value:.4g}" for value in profile["quantiles"])
    return ", ".join(map(str, profile.get("commonest", ())))
