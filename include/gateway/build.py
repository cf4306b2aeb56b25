"""The gateway's composition: its parts over the stores that the settings name.

The stage `serving` knows no other stage. What it needs of features and of monitoring it is handed here, as functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from include.core import secret_store, tracing
from include.core.catalog import is_set
from include.core.connection import from_env
from include.core.environment import ORIGINS
from include.core.errors import SlipstreamError, StorageFullError, UnreachableError, one_line
from include.core.origin import origins_of
from include.gateway.shadow import COMMAND
from include.routing import gateways
from include.routing.entity_hash import unit
from include.routing.gateways import Identity
from include.routing.reader import RouteReader
from include.services.services import Services
from include.serving.gateway import Gateway, Parts
from include.serving.http.access import CONNECTION, Access
from include.serving.http.certificate import ServerCertificate
from include.serving.http.connection_tokens import ConnectionTokens
from include.serving.http.gateway_protocol import GatewayProtocol
from include.serving.http.origin import Writes
from include.serving.http.request_error import RequestError
from include.serving.http.shared_tokens import SharedTokens, read_shared
from include.serving.http.tokens import Token
from include.serving.models.deployment_manager import DeploymentManager
from include.serving.models.eviction import CacheLimits
from include.serving.models.heartbeat import Heartbeat
from include.serving.models.route_switch import SIZE, Switch
from include.serving.prediction.asynchronous import AsynchronousPredictions, days_of
from include.serving.prediction.lost_views import LostViews
from include.serving.prediction.online_features import FeatureReader
from include.serving.shadow import Shadow
from include.serving.stores import Stores
from include.serving.target import GATEWAY
from include.serving.telemetry.agent_report import agent_source
from include.serving.telemetry.counters import ARENA, Metrics
from include.serving.telemetry.health import Health, Source, log_source
from include.serving.telemetry.shared_memory import SharedMemory
from include.serving.traced_gateway import TracedGateway

if TYPE_CHECKING:
    from include.core.spec import FeatureSet, ModelSpec, View
    from include.online_store.store import OnlineStore, RowWriter


class Shared:
    """What the workers of one gateway have in common: the switch, and an arena of metrics for each and its shadow."""

    def __init__(self, workers: int = 1, shadow_command: Sequence[str] = COMMAND) -> None:
        self.switch, self.metrics, self.shadow_command = SharedMemory(SIZE), SharedMemory(2 * workers * ARENA), shadow_command

    def leave(self, slot: int) -> None:
        Switch(self.switch, slot).leave()


def build(
    services: Services,
    access: Access,
    shared: Shared | None = None,
    slot: int = 0,
    identity: Identity | None = None,
    certificate: ServerCertificate | None = None,
    target: str = GATEWAY,
) -> Gateway:
    """The app over those services, as the worker of that slot. `identity`: as what the gateway reports itself, if it does.
    `target`: what the models are served by that it serves (`serving.target`)."""
    shared, settings = shared or Shared(), services.settings
    stores, switch = stores_of(services, target), Switch(shared.switch, slot)
    metrics = Metrics(shared.metrics, 2 * slot)
    limits = CacheLimits.from_env(settings.environ)
    manager = DeploymentManager(stores.read_routes, stores.load_spec, stores.load, settings.scratch(), limits, switch)
    reader = FeatureReader(services.online, lambda: metrics.circuits.add("store"), lambda store: _logged(store, services))
    copies = Shadow(metrics, shared.metrics, 2 * slot + 1, shared.shadow_command)
    lost = _lost_views(services, reader, metrics, manager)
    health = Health({**sources(reader, services), "views": lost.samples})
    parts = Parts(
        manager, reader, access, stores.load_spec, unit, settings.home, switch, metrics, copies,
        GatewayProtocol.admission, health, lost,
    )  # fmt: skip
    tracer = tracing.start("gateway")
    gateway = Gateway(parts) if tracer is None else TracedGateway(parts, tracer)
    gateway.writes = Writes(lambda: services.control, origins_of(ORIGINS.read(settings.environ)))
    gateway.certificate = certificate
    gateway.feature_set = lambda name: _feature_set(services, name)
    days = days_of(settings.environ)
    gateway.later = AsynchronousPredictions(lambda: services.storage, gateway.ask, gateway.would_refuse, days)
    gateway.threads = (SharedTokens(lambda: services.control, access),)
    if (store := secret_store.opened(settings.environ)) is not None:
        gateway.threads += (ConnectionTokens(lambda: from_env(CONNECTION, settings.environ), access, 2 * store.seconds),)
    if identity is not None:
        gateway.threads += (_heartbeat(services, identity, manager),)
    return gateway


def common_tokens(services: Services) -> tuple[Token, ...]:
    """The tokens that all gateways have in common; none where the control store is away, for the workers wait for it.

    Raises NotReadyError for a control store of an earlier release, PermanentError for one of a later release or that refuses us.
    """
    try:
        return read_shared(services.control)
    except (UnreachableError, StorageFullError):
        return ()


def _heartbeat(services: Services, identity: Identity, manager: DeploymentManager) -> Heartbeat:
    return Heartbeat(
        manager,
        lambda report: gateways.report(services.control, identity, report),
        lambda: gateways.leave(services.control, identity),
        lambda: gateways.forget(services.control),
    )


def _feature_set(services: Services, name: str) -> FeatureSet | None:
    """The feature set of that name; None where there is none. Raises RequestError (404) for one that cannot be loaded."""
    try:
        return services.feature_set(name) if is_set(name, services.settings.models) else None
    except SlipstreamError as error:
        raise RequestError(404, one_line(error), field="model", value=name) from None


def stores_of(services: Services, target: str = GATEWAY) -> Stores:
    """What the gateway and its shadow load versions from."""
    return Stores(RouteReader(services.control), services.control, services.ledger, services.spec, target)


def sources(reader: FeatureReader, services: Services) -> dict[str, Source]:
    """What the metrics page reads elsewhere. Imported now: an import would hold up the first scrape's neighbours."""
    from include.features.online import freshness
    from include.features.skew import findings
    from include.gateway import costs
    from include.monitoring import alarm

    return {
        "features": lambda spec: freshness.samples(reader.opened(), spec),
        "skew": lambda spec: findings.samples(services.control, spec),
        "monitoring": lambda spec: alarm.samples(services.control, spec),
        "costs": lambda spec: costs.samples(services, spec),
        "log": log_source(services.settings.home, services.settings.environ),
        "agent": agent_source(services.settings.home),
    }


def _logged(store: OnlineStore, services: Services) -> RowWriter:
    """What pushes rows to the store, and keeps those of views that ask for it."""
    from include.features.online.pushed import LoggedWriter

    return LoggedWriter(store, services.storage, lambda model: services.spec(model).data.cadence)


def _lost_views(services: Services, reader: FeatureReader, metrics: Metrics, manager: DeploymentManager) -> LostViews:
    from include.features.online.presence import Published, empty_views, published_rows

    def look(spec: ModelSpec, views: Sequence[View], published: object, closely: bool) -> list[str]:
        assert isinstance(published, Published)  # it comes from the function below
        return empty_views(reader.opened(), spec, views, published, closely=closely)

    return LostViews(
        look,
        lambda spec, views: published_rows(services.control, spec.name, views),
        reader,
        metrics,
        lambda: manager.deployments,
    )
