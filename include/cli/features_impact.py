"""`slipstream features impact NAME`: what a change of a view's definition touches before it lands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from include.cli.answer import answer
from include.cli.context import open_context
from include.cli.exits import found
from include.core.table import table
from include.overview.impact import Impact, ViewImpact, impact

IMPACT = {
    "owner": "the feature set or model",
    "kind": "`feature_set` or `model`",
    "changed": "the names of the views that differ from what is published",
    "published_days": "how many days are published",
    "days": "how many of them are to be computed again",
    "seconds": "what that would take on one processor, by what the days took",
    "views": "each with its `state` (unchanged, changed, new, gone), `published` and `present` version, `because`, `days`, "
    "`first`, `last`, `models`, `live` and `stranded` versions",
    "rollouts": "under way, of models that read what changes: `model`, `challenger`",
    "experiments": "models whose traffic an experiment holds, of the same",
    "dags": "that compute or read what changes",
    "training_sets": "of registered versions: `model`, `version`, `stage`, `as_of`, `days` of this owner, `views`",
    "broken": "models that cannot be loaded, with why: what they read is not known",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--view", default="", help="of impact: only this view")


def run(options: argparse.Namespace) -> int:
    """FOUND where something would be touched."""
    seen = impact(open_context(), options.model, options.view)
    answer(options, seen.to_json(), _words(seen))
    return found(seen.touched)


def _words(seen: Impact) -> Iterator[str]:
    if seen.changed and not seen.touched:
        yield f"{seen.owner}: nothing is published yet, and no live version reads it. Nothing is touched."
        yield from _broken(seen)
        return
    if not seen.changed:
        yield f"{seen.owner}: what the working tree says is what is published ({seen.published_days} days). Nothing is touched."
        yield from _broken(seen)
        return
    rows = [(view.view, view.state, view.published or "–", view.present or "–", "; ".join(view.because)) for view in seen.views]
    yield table(("view", "state", "published", "working tree", "because"), rows)
    if seen.days:
        yield (
            f"\n{seen.days} of {seen.published_days} published days are to be computed again "
            f"(about {seen.seconds:.0f} s of work): slipstream features catch-up {seen.owner}"
        )
    for view in seen.changed:
        yield from _of_view(view)
    if seen.rollouts:
        yield "\nRollouts under way: " + ", ".join(f"version {each['challenger']} of {each['model']}" for each in seen.rollouts)
    if seen.experiments:
        yield f"\nExperiments that run: of {', '.join(seen.experiments)}"
    yield f"\nDAGs: {', '.join(seen.dags)}"
    if seen.training_sets:
        yield "\nTraining sets of registered versions that stand as they are, and that a training of today would not make again:"
        names = ("model", "version", "stage", "as_of", "days")
        yield table(
            ("model", "version", "stage", "as of", "days"), [[each[name] for name in names] for each in seen.training_sets]
        )
    yield from _broken(seen)


def _of_view(view: ViewImpact) -> Iterator[str]:
    if view.models:
        yield f"\n{view.view} is read by {', '.join(view.models)}."
    stay = [each for each in view.live if each.pins != view.present]
    if stay:
        yield "Live versions that were trained on another definition; its values are brought online beside the new ones:"
        rows = [(each.model, each.version, ", ".join(each.roles), each.pins) for each in stay]
        yield table(("model", "version", "role", "pins"), rows)
    if view.stranded:
        named = ", ".join(f"version {each.version} of {each.model}" for each in view.stranded)
        yield (
            f"warning: nobody can compute what {named} pins once this lands: its SQL differs from day to day by more than dates. "
            "Its values online grow old; roll out a version of the new definition at once."
        )


def _broken(seen: Impact) -> Iterator[str]:
    yield from (f"warning: what {name} reads is not known: {why}" for name, why in seen.broken.items())
