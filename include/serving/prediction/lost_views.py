"""Which views of the served versions are lost: published, and with no row online. A thread checks, so that no request does.

What it finds flags the answers (`degraded: ["empty_view:NAME"]`): of an entity without rows in a store that has lost them all
nothing can be said, of one that no view knows, that it is unknown. It also brings the readers' counts to the metrics.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from include.core.spec import ModelSpec, View
from include.serving.models.deployment import Deployment
from include.serving.prediction.online_features import FeatureReader
from include.serving.recurring import Recurring
from include.serving.telemetry.counters import Metrics
from include.serving.telemetry.exposition import Sample
from include.serving.telemetry.health import EMPTY

log = logging.getLogger(__name__)
CHECK_SECONDS = 2.0  # between two checks of the store
THOROUGH_SECONDS = 60.0  # between two checks of the rows themselves, not only the view's marks, and at what is published
FLAG = "empty_view:"  # before the view's name, in `degraded`

FindLost = Callable[
    [ModelSpec, Sequence[View], object, bool], Iterable[str]
]  # (.., published, thorough) to the lost views' names
Published = Callable[[ModelSpec, Sequence[View]], object]


class LostViews(Recurring):
    """For the deployments of one gateway."""

    def __init__(
        self,
        find_lost: FindLost,
        published: Published,
        reader: FeatureReader,
        metrics: Metrics,
        deployments: Callable[[], Mapping[str, Deployment]],
    ) -> None:
        self._find_lost, self._published, self._reader, self._metrics = find_lost, published, reader, metrics
        self._deployments = deployments
        self._known: dict[str, tuple[float, object]] = {}  # what is published, by model; with the time until which it is kept
        self._checked: dict[tuple[str, tuple[View, ...]], set[str]] = {}  # what the last thorough check found
        self._found: dict[str, dict[str, bool]] = {}  # model to view to whether it is lost
        self._failed: dict[str, str] = {}  # model to why it could not be checked
        super().__init__("lost-views", self.step, CHECK_SECONDS)

    def step(self) -> None:
        """One check. What cannot be read stays as it was: a store that does not answer is reported elsewhere."""
        self._reader.count(self._metrics)
        for model, deployment in self._deployments().items():
            if deployment.cold:
                continue
            try:
                self._check(deployment)
                self._failed.pop(model, None)
            except Exception as error:  # noqa: BLE001 - a store of any vendor fails in its own way
                if self._failed.get(model) != str(error):
                    log.warning("whether views of %s are lost cannot be checked: %s", model, error)
                self._failed[model] = str(error)

    def _check(self, deployment: Deployment) -> None:
        spec = deployment.spec
        until, published = self._known.get(spec.name, (0.0, None))
        thorough = time.monotonic() >= until
        if thorough:
            published = self._published(spec, [view for views in deployment.views.values() for view in views])
        states: dict[str, bool] = {}
        for views in deployment.views.values():
            lost = self._lost(spec, views, published, thorough) if views else set()
            self._reader.flag(spec.name, views, [f"{FLAG}{view.name}" for view in views if view.name in lost])
            for view in views:
                states[view.name] = states.get(view.name, False) or view.name in lost
        if thorough:
            self._known[spec.name] = time.monotonic() + THOROUGH_SECONDS, published
        if states != self._found.get(spec.name):
            self._log_changes(spec.name, states)
        self._found[spec.name] = states

    def _lost(self, spec: ModelSpec, views: tuple[View, ...], published: object, thorough: bool) -> set[str]:
        """What a thorough check finds stands until the next one, or until one finds nothing lost."""
        known = self._checked.get((spec.name, views))
        lost = set(self._find_lost(spec, views, published, thorough or known is None or bool(known)))
        if thorough or known is None or known:
            self._checked[spec.name, views] = lost
        return lost

    def _log_changes(self, model: str, states: Mapping[str, bool]) -> None:
        lost = [name for name, empty in states.items() if empty]
        if lost:
            log.error("the online store has lost %s of %s: published, and no row is there; slipstream features catch-up %s",
                      ", ".join(lost), model, model)  # fmt: skip
        elif any(self._found.get(model, {}).values()):
            log.info("the views of %s have rows online again", model)

    def names(self, model: str) -> list[str]:
        """The lost views of a model, for /status."""
        return sorted(name for name, empty in self._found.get(model, {}).items() if empty)

    def samples(self, spec: ModelSpec) -> Iterable[Sample]:
        """For the metrics page. Raises the reason where nothing could be checked."""
        if why := self._failed.get(spec.name):
            raise RuntimeError(why)
        return [(EMPTY.name, (spec.name, name), float(empty)) for name, empty in self._found.get(spec.name, {}).items()]
