"""The composition root: every store, server and vendor that a process works with, opened in this one place.

Airflow's tasks, the `slipstream` command, the Models page, the gateway and the demonstration all hold a `Services`. They
differ in where logins come from (`connections`), and in whether a missing control store is made or is an error.

Importing this module is cheap, for DAG files import it: what costs is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from include.core import secret_store
from include.core.catalog import feature_set_names, load_feature_set, load_owner, load_spec, model_names
from include.core.connection import text_of
from include.core.environment import REMOTES, connection
from include.core.environment_aws import AWS_CONN_ID
from include.core.errors import NotReadyError, SpecError
from include.core.housekeeping import housekeeping
from include.core.ledger import Ledger
from include.core.ports import AwsAccess, JobBackend, open_jobs
from include.core.scratch import sweep_scratch
from include.core.settings import Settings
from include.core.spec import FeatureSet, ModelSpec, PartitionOwner
from include.core.storage import Storage
from include.services.connections import Connections, EnvironmentConnections

MODELS = ("train", "champion")  # inputs of a request that are models
AIRFLOW = "slipstream_airflow"  # the connection to Airflow's REST API
MLFLOW, JOBS_MLFLOW = "slipstream_mlflow", "slipstream_mlflow_jobs"  # of a job, the second's login is the first's

if TYPE_CHECKING:
    from include.backends.airflow.client import AirflowClient
    from include.core.control import ControlStore
    from include.core.request import Request
    from include.costs.version import VersionCost
    from include.experiments.heard import Tables
    from include.governance.anchors import Place
    from include.governance.approval import Approvals
    from include.governance.mirror import RegistryLabels
    from include.governance.registry import Registry
    from include.online_store.store import OnlineStore
    from include.prediction_log.shared import SharedLog
    from include.serving.client import GatewayClient
    from include.serving.target import FollowingTarget, ServingTarget
    from include.versions.record import VersionRecord


@dataclass(frozen=True)
class Services:
    """What a process may talk to. Each is opened on first use, so that holding it all costs nothing."""

    settings: Settings
    connections: Connections = field(default_factory=EnvironmentConnections)
    # A command that reads must not leave an empty database behind where no platform has ever run.
    control_must_exist: bool = False
    # What changes the world must be of the platform that the storage root belongs to, not of one that was replaced by a restore.
    root_must_be_own: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Services:
        """For a process whose environment holds every login that it needs."""
        return cls(Settings.from_env(None if environ is None else dict(environ)))

    @cached_property
    def storage(self) -> Storage:
        return self.connections.storage(self.settings)

    @cached_property
    def aws(self) -> AwsAccess:
        """AWS's services. Nothing is asked of them yet."""
        return self.connections.aws(self.settings)

    def anchor_places(self, say: Callable[[str], object] | None = None) -> list[Place]:
        """Where the audit chain's head is anchored. `say` writes a line of the log, where that is such a place."""
        from include.governance.anchor_places import open_places

        return open_places(self.settings.environ or None, lambda: self.aws, say)

    @cached_property
    def prediction_log(self) -> SharedLog:
        """The prediction log of all gateways."""
        from include.prediction_log.shared import SharedLog

        return SharedLog(self.settings.home, self.storage)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.storage)

    @cached_property
    def control(self) -> ControlStore:
        """The control store, with its tables. Raises NotReadyError where it must exist and does not, or is of another release;
        ConflictError where the root must be its platform's and is another's."""
        self.any_control.create_tables()
        if self.root_must_be_own:
            from include.core.root_owner import require_own_root

            require_own_root(self.any_control, self.storage)
        return self.any_control

    @cached_property
    def any_control(self) -> ControlStore:
        """The control store of whatever release. Raises NotReadyError where it must exist and does not."""
        from include.core.control import ControlStore  # SQLAlchemy: not while DAG files are parsed

        store = ControlStore(self.settings.control_url)
        database = store.engine.url.database
        if self.control_must_exist and store.engine.dialect.name == "sqlite" and not Path(database or "").exists():
            raise NotReadyError(
                f"There is no control store at {database}: nothing has run here yet.",
                hint="`make up` starts a platform; SLIPSTREAM_HOME says where another one is.",
            )
        return store

    @cached_property
    def online_store(self) -> OnlineStore:
        from include.online_store.open import open_online

        return open_online(self.settings.online_url, lambda: self.aws)

    def online(self) -> OnlineStore:
        """The online store, opened when a caller that was handed this function first needs it."""
        return self.online_store

    def jobs(self, backend: str = "") -> JobBackend:
        """The job backend of that name, else the one that the settings name."""
        return open_jobs(self.with_connection("slipstream_ray"), backend, self._job_logins, lambda: self.aws)

    def _job_logins(self) -> dict[str, str]:
        """What a job elsewhere works with: the storage's login, MLflow's of an account that can log runs and no more."""
        wanted = {JOBS_MLFLOW: MLFLOW}  # its connection here, to its connection there
        if self.settings.root.startswith("s3://"):
            wanted[AWS_CONN_ID.read(self.settings.environ)] = AWS_CONN_ID.default
        found = {there: text_of(here, self.with_connection(here).environ) for here, there in wanted.items()}
        return {connection(there).name: uri for there, uri in found.items() if uri}

    def registry(self) -> Registry:
        from include.governance.registry import open_registry

        return open_registry(self.with_connection(MLFLOW), self.control)

    def cost(self, record: VersionRecord) -> VersionCost:
        """What a version has cost: as it was counted when it was registered, else by the ledger and the prices of today."""
        from include.costs.kept import cost_of
        from include.costs.prices import Prices

        lineage = record.entry.lineage
        prices = Prices.of(self.spec(record.entry.model).cost, self.settings.environ or None)
        refs = (lineage.train, lineage.training_set, lineage.evaluation)
        return cost_of(self.control, self.ledger, record.entry.model, record.version, refs, prices)

    def keep_cost(self, record: VersionRecord, cost: VersionCost) -> bool:
        """Write it down with the version, once. Whether it is new."""
        from include.costs.kept import keep

        return keep(self.control, record.entry.model, record.version, cost)

    def labels(self) -> RegistryLabels:
        """What shows stages in the registry, without importing the registry's client."""
        from include.governance.mirror import open_labels

        first, approvals = open_labels(self.with_connection(MLFLOW), self.control), self.approvals()
        if approvals is None:
            return first
        from include.governance.approval import Both

        return Both(first, approvals)

    def approvals(self) -> Approvals | None:
        """The registry in which people approve versions, where one is switched on."""
        from include.governance.approval import open_approvals

        return open_approvals(self.settings, self.control, lambda: self.aws)

    def require_approval(self, model: str, version: int) -> None:
        """Raises GateClosed where a person has rejected the version in SageMaker's registry, or must approve it there and has
        not. What `rollout.approval` asks of Airflow's users is the control store's: include/rollout/approval_gate.py."""
        spec = self.spec(model)
        if (approvals := self.approvals()) is None and spec.rollout.approval != "required":
            return
        from include.governance.approval import require_approval
        from include.versions.queries import at_version

        with self.control.transaction() as connection:
            record = at_version(connection, model, version)
        require_approval(spec, approvals, record)

    def require_experiment(self, model: str, version: int) -> None:
        """Raises GateClosed where the version's rollout waits for an experiment that has not found it better."""
        from include.experiment_state.queries import require_better

        require_better(self.control, model, self.spec(model).rollout.experiment, version)

    def tables(self, model: str) -> Tables:
        """What reads the metrics of the model's experiments that are of tables."""
        from include.services.metric_tables import MetricTables

        return MetricTables(self.spec(model), self.storage, self.settings.home / "scratch").rows

    def gateway(self) -> GatewayClient:
        from include.serving.client import open_client

        return open_client(self.with_connection("slipstream_gateway"), lambda: self.control)

    def target(self, model: str) -> ServingTarget:
        """What serves the model: the gateways, or what its spec names. Raises SpecError for an unknown model."""
        from include.serving.target import GATEWAY

        spec = self.spec(model)
        return self.gateway() if spec.serving.target == GATEWAY else self.elsewhere(spec)

    def elsewhere(self, spec: ModelSpec) -> FollowingTarget:
        """What serves a model that the gateways do not."""
        from include.serving.target import Stores, open_target

        return open_target(spec, Stores(self.settings, lambda: self.control, lambda: self.storage, lambda: self.aws))

    def airflow(self) -> AirflowClient | None:
        """Airflow's REST API with the login of `slipstream_airflow`; None where there is no such connection."""
        from include.backends.airflow.client import AirflowClient
        from include.core.connection import from_env

        login = from_env(AIRFLOW, self.with_connection(AIRFLOW).environ)
        return None if login is None else AirflowClient(login)

    def spec(self, model: str) -> ModelSpec:
        """Raises SpecError for an unknown model."""
        return load_spec(model, self.settings.models)

    def readable_spec(self, model: str) -> ModelSpec | None:
        """None where it cannot be read: what must work in an emergency does without."""
        try:
            return self.spec(model)
        except SpecError:
            return None

    def owner(self, name: str) -> PartitionOwner:
        """The model or feature set of that name. Raises SpecError for an unknown one."""
        return load_owner(name, self.settings.models)

    def feature_set(self, name: str) -> FeatureSet:
        """Raises SpecError for an unknown feature set."""
        return load_feature_set(name, self.settings.models)

    def feature_set_names(self) -> list[str]:
        return feature_set_names(self.settings.models)

    def model_names(self) -> list[str]:
        return model_names(self.settings.models)

    def champion(self, model: str) -> VersionRecord | None:
        """The version in production."""
        from include.versions import queries as versions

        return versions.champion(versions.records(self.control, model))

    def sweep(self, key: str = "", generation: int = 0) -> None:
        """Remove what killed tasks left on this machine's scratch; and of a key's attempts, in the ledger."""
        with housekeeping("scratch of killed tasks"):
            sweep_scratch(self.settings.scratch())
        if key:
            self.ledger.sweep(key, generation)

    def for_request(self, request: Request) -> Settings:
        """The settings that a request is computed with: they hold the connections of the remote models among its inputs."""
        settings = self.settings
        for ref in (request.inputs[name] for name in MODELS if name in request.inputs):
            remote = self.ledger.resolve(ref).value.get("remote")
            if isinstance(remote, Mapping):
                held = self.with_connection(f"{REMOTES}{remote['name']}").environ
                settings = replace(settings, environ={**settings.environ, **held})
        return settings

    def with_connection(self, conn_id: str) -> Settings:
        """Settings whose environment holds that connection's URI, where there is one."""
        uri = self.connections.uri(conn_id)
        if uri is None:
            return self.settings
        return replace(self.settings, environ={**secret_store.without(self.settings.environ), connection(conn_id).name: uri})
