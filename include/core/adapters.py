"""Which vendor stands behind each port: names to import strings, so that no stage imports a vendor.

Only vendors are named here: each string is of `include.backends`. Nobody but a port asks for one: beside each port stands a
function that opens it and returns the port's type (`include.model_contract.model:open_model` for "model").
"""

from __future__ import annotations

from typing import Any

from include.core.reference import load

ADAPTERS: dict[str, str] = {
    # include/core/storage.py: Storage, by the scheme of its root; a folder needs no vendor
    "storage.s3": "include.backends.s3.storage:open_storage",
    # include/governance/anchor_places.py: Place, by the scheme of its address; a file and a log need no vendor
    "anchor.s3": "include.backends.s3.anchors:open_anchors",
    # include/core/ports.py: AwsAccess
    "aws": "include.backends.aws.access:open_access",
    # include/core/secret_store.py: SecretStore, by the name of Airflow's class
    "secrets.airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend": (
        "include.backends.aws.secrets:open_secrets_manager"
    ),
    "secrets.airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend": (
        "include.backends.aws.secrets:open_parameter_store"
    ),
    # include/core/ports.py: JobBackend
    "jobs.ray": "include.backends.ray.jobs:open_jobs",
    "jobs.sagemaker": "include.backends.sagemaker.jobs:open_jobs",
    "jobs.process": "include.backends.process.jobs:open_jobs",
    # include/model_contract/model.py: Model
    "model": "include.backends.onnx.model:open_model",
    "model.check": "include.backends.onnx.model:check_model",
    "model.quantize": "include.backends.onnx.model:quantize",
    # include/evaluation/explained.py: Shapley values of rows
    "shap.values": "include.backends.shap.values:shapley_values",
    # include/retrieval/nearest.py: Nearest, of more items than are all compared
    "nearest": "include.backends.faiss.index:open_index",
    "nearest.write": "include.backends.faiss.index:write_index",
    # RemoteModel: one on another server; and what such a server says of one
    "model.remote": "include.backends.oip.model:open_remote",
    "model.described": "include.backends.oip.describe:describe",
    # include/governance/conversion.py: model files that were made elsewhere, by their format
    "convert.onnx": "include.backends.onnx.adopt:adopt",
    "convert.columns": "include.backends.onnx.adopt_columns:adopt_columns",
    "convert.xgboost": "include.backends.xgboost.convert:convert",
    "convert.lightgbm": "include.backends.lightgbm.convert:convert",
    # include/handover/estimator.py: a fitted estimator, written as a file
    "convert.sklearn": "include.backends.sklearn.columns:export_estimator",
    # include/handover/source.py: a model version of a registry, as a file
    "models.mlflow": "include.backends.mlflow.fetch:fetch_model",
    # include/online_store/open.py: OnlineStore, by the scheme of its address; one of AWS's is also handed the way there
    "online.sqlite": "include.backends.sqlite.online_store:open_online",
    "online.redis": "include.backends.redis.online_store:RedisOnlineStore",
    "online.rediss": "include.backends.redis.online_store:RedisOnlineStore",
    "online.unix": "include.backends.redis.online_store:RedisOnlineStore",
    "online_aws.dynamodb": "include.backends.dynamodb.online_store:DynamoOnlineStore",
    # include/event_log/open.py: EventConsumer and AnswerWriter, by the scheme of their address
    "events.kafka": "include.backends.kafka.open:open_events",
    "events.redis": "include.backends.redis.streams:open_events",
    "events.rediss": "include.backends.redis.streams:open_events",
    "answers.kafka": "include.backends.kafka.open:open_answers",
    "answers.redis": "include.backends.redis.streams:open_answers",
    "answers.rediss": "include.backends.redis.streams:open_answers",
    # include/features/online/materialize.py: bringing a published day online
    "materialize": "include.backends.feast.materialize:materialize",
    "materialize.days": "include.backends.feast.materialize:materialize_days",
    # include/governance/registry.py: Registry
    "registry.mlflow": "include.backends.mlflow.registry:open_registry",
    "registry.folder": "include.backends.folder.registry:open_registry",
    # include/governance/mirror.py: the part of Registry that shows stages. It must be light: commands and pages open it.
    "labels.mlflow": "include.backends.mlflow.labels:open_labels",
    "labels.folder": "include.backends.folder.registry:open_registry",
    # include/governance/approval.py: Approvals, a registry in which people approve versions
    "approvals.sagemaker": "include.backends.sagemaker.model_registry:open_model_registry",
    # include/forgetting/registry_server.py: puts values out of what a registry on a server of its own holds
    "erase.mlflow": "include.backends.mlflow.erase:erase",
    # include/training/tracking.py: delivers a training's metrics while it runs
    "tracking.mlflow": "include.backends.mlflow.tracking:tracking",
    # include/training/search/suggest.py: Tpe; include/training/search/executor.py: trials on a cluster
    "search.tpe": "include.backends.optuna.tpe:suggest",
    "search.ray": "include.backends.ray.tune:open_executor",
    # include/training/search/followed.py: shows the trials of a search while it goes on
    "search.mlflow": "include.backends.mlflow.trials:tracking",
    "search.mlflow.deliver": "include.backends.mlflow.trials:deliver",
    # include/landing/warehouse.py: Warehouse, by its engine; and whether a table has a partition
    "warehouse.athena": "include.backends.warehouse.athena:open_warehouse",
    "warehouse.redshift": "include.backends.warehouse.redshift:open_warehouse",
    "warehouse.emr_serverless": "include.backends.warehouse.emr_serverless:open_warehouse",
    "warehouse.catalogue": "include.backends.warehouse.catalogue:open_catalogue",
    # include/validation/port.py: ExpectationRunner
    "expectations": "include.backends.great_expectations.expectations:open_expectations",
    # include/monitoring/drift_report.py: one HTML page that opens offline
    "drift_report": "include.backends.evidently.report:drift_report",
    # include/serving/target.py: ServingTarget, where it is not this installation's gateways
    "serving.sagemaker": "include.backends.sagemaker.endpoint_target:open_endpoint",
    # include/rollout/endpoint_rails.py: Invocations, what the target itself counts of requests
    "invocations.sagemaker": "include.backends.sagemaker.endpoint_metrics:open_invocations",
    # include/core/tracing.py: Tracer; and what is wrong with its settings
    "tracing": "include.backends.opentelemetry.tracer:OtelTracer",
    "tracing.check": "include.backends.opentelemetry.provider:check",
    # include/core/error_reports.py
    "errors.start": "include.backends.sentry.reports:start",
    "errors.report": "include.backends.sentry.reports:report",
    "errors.scrub": "include.backends.sentry.scrub:scrub_all",
    # include/scoring/batches.py: the batches of a table, scored on a cluster
    "batches.ray": "include.backends.ray.data:score_batches",
}


def adapter(name: str) -> Any:
    """The factory registered under a port's name. The port's own opener gives it its type."""
    return load(ADAPTERS[name])
