"""Every environment variable that our code reads, with its type, its default and what it is for: the one list of them.

Whoever reads a variable names it here and asks it (`ROOT.read()`); docs/reference/settings.md is made from this list. What a
process hands on (to jobs, to the platform's processes) and what it must keep to itself follows from the same entries.

Variables that we only set for a vendor's library, and never read, are not here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from include.core import environment_aws, environment_governance
from include.core.variable import PREFIX, Variable
from include.core.variable import named as _named

# -- where everything is: the fields of include.core.settings.Settings -------------------------------------------------------

HOME = _named(
    "HOME", "folder", "This machine's runtime state: databases, sockets, logs, secrets.",
    derived="`.slipstream` in the project", jobs=True,
)  # fmt: skip
ROOT = _named(
    "ROOT", "folder or address", "The storage of ledger, partitions, snapshots and checkpoints: a folder, or s3://bucket/prefix.",
    derived="`store` under the home", jobs=True,
)  # fmt: skip
CONTROL_URL = _named(
    "CONTROL_URL", "address", "The control store, as a SQLAlchemy URL.", derived="SQLite under the home", store=True
)
ONLINE_URL = _named(
    "ONLINE_URL", "address", "The online feature store: sqlite:///path, redis://host:port/0 or dynamodb://table.",
    derived="SQLite under the home", store=True,
)  # fmt: skip
STREAM_URL = _named(
    "STREAM_URL", "address", "The event log of `slipstream stream`: kafka://host:9092,host:9092 or redis://host:port/0.",
    derived="there is none", store=True,
)  # fmt: skip
MLFLOW_URL = _named("MLFLOW_URL", "address", "MLflow's tracking server and registry.", "http://127.0.0.1:5500", jobs=True)
RAY_URL = _named("RAY_URL", "address", "The Jobs API of the Ray cluster.", "http://127.0.0.1:8265", jobs=True)
RAY_CODE = _named(
    "RAY_CODE", "name",
    "Where jobs on Ray find their code: `here`, the cluster is this machine's; `package`, they bring it; `image`, it is in the "
    "nodes' image, at SLIPSTREAM_RAY_PROJECT.",
    derived="`image` where SLIPSTREAM_RAY_PROJECT is set, else `here`",
)  # fmt: skip
RAY_PROJECT = _named(
    "RAY_PROJECT",
    "folder",
    "The project's folder in the image of a Ray cluster elsewhere, whose own `python` then runs the jobs.",
)
RAY_MODELS = _named(
    "RAY_MODELS", "packages, folders", "What SLIPSTREAM_MODELS is on the nodes of a Ray cluster elsewhere.",
    derived="SLIPSTREAM_MODELS",
)  # fmt: skip
RAY_LOGINS = _named(
    "RAY_LOGINS", "name",
    "Where jobs on a Ray cluster elsewhere have their logins from: `sealed`, from the Airflow connections, under the cluster's "
    "token; `nodes`, from the nodes' own environment.",
    "sealed",
)  # fmt: skip
GATEWAY_URL = _named("GATEWAY_URL", "address", "Where the gateway answers.", "http://127.0.0.1:8500", jobs=True)
GATEWAY_TOKENS = _named(
    "GATEWAY_TOKENS", "file", "The gateway's tokens by model and right.", derived="`gateway-tokens.json` under the home"
)
AIRFLOW_URL = _named("AIRFLOW_URL", "address", "Airflow's API server.", "http://127.0.0.1:8080")
MODELS = _named(
    "MODELS", "packages, folders", "Where the models are: packages of models, and paths of folders of models, with `:` between.",
    "include.models", jobs=True,
)  # fmt: skip
JOB_BACKEND = _named(
    "JOB_BACKEND", "name", "What runs jobs: `ray`, `sagemaker`, or `process` for a process of this machine.", "ray", jobs=True
)
REGISTRY = _named(
    "REGISTRY", "name", "Where versions are registered: `mlflow`, or `folder` for one under the root.", "mlflow", jobs=True
)
SETTINGS: Mapping[str, Variable] = {
    each.name.removeprefix(PREFIX).lower(): each
    for each in (
        HOME, ROOT, CONTROL_URL, ONLINE_URL, STREAM_URL, MLFLOW_URL, RAY_URL, RAY_CODE, RAY_PROJECT, RAY_MODELS, RAY_LOGINS,
        GATEWAY_URL, GATEWAY_TOKENS, AIRFLOW_URL, MODELS, JOB_BACKEND, REGISTRY,
    )
}  # fmt: skip

# -- what things cost: include/costs/prices.py; a spec's section `cost` says otherwise for a model ------------------------------

COST_CURRENCY = _named("COST_CURRENCY", "name", "What money is counted in, such as EUR.")
COSTS: Mapping[str, Variable] = {
    each.name.removeprefix(f"{PREFIX}COST_").lower(): each
    for each in (
        _named("COST_CPU_HOUR", "number", "The price of one CPU for an hour. Not set: what CPUs cost is unknown."),
        _named("COST_GPU_HOUR", "number", "The same of one GPU."),
        _named("COST_MEMORY_GB_HOUR", "number", "The same of one GiB of memory that a fit reserves."),
        _named("COST_STORAGE_GB_MONTH", "number", "The price of one GiB of storage for a month."),
    )
}

# -- the gateway -------------------------------------------------------------------------------------------------------------

GATEWAY_WORKERS = _named("GATEWAY_WORKERS", "number", "Worker processes on the gateway's one port.", "1")
GATEWAY_ASYNC_DAYS = _named(
    "GATEWAY_ASYNC_DAYS", "number", "Whole days for which an answer that was asked for with `?async` is kept.", "1"
)
GATEWAY_HOSTS = _named("GATEWAY_HOSTS", "names", "More names that the gateway is asked by, with commas between.")
ORIGINS = _named(
    "ORIGINS", "origins",
    "More origins whose pages may write, with commas between: where a proxy in front changes the host.",
)  # fmt: skip
GATEWAY_MODELS = _named("GATEWAY_MODELS", "number", "Models that one gateway process holds in memory.", "100")
GATEWAY_MEGABYTES = _named("GATEWAY_MEGABYTES", "number", "Megabytes of model files that one gateway process holds.", "4096")
BOUNDS: Mapping[str, Variable] = {
    each.name.removeprefix(f"{PREFIX}GATEWAY_").lower(): each
    for each in (
        _named("GATEWAY_HEAD_SECONDS", "seconds", "From a head's first byte, or from the connection, to its last.", "10"),
        _named("GATEWAY_BODY_SECONDS", "seconds", "From the head to the body's last byte.", "20"),
        _named(
            "GATEWAY_IDLE_SECONDS", "seconds",
            "Between two requests of a connection: longer than clients keep theirs, so that they close first.", "75",
        ),
        _named(
            "GATEWAY_WRITE_SECONDS", "seconds", "In which a caller must take of an answer that does not fit the socket.", "30"
        ),
        _named("GATEWAY_CONNECTIONS", "number", "Connections of one worker at once.", "1000"),
    )
}  # fmt: skip
GATEWAY_TLS_CERT = _named(
    "GATEWAY_TLS_CERT", "file",
    "The gateway's own certificate (PEM, with what is between it and its authority): it speaks TLS then, and reads it again when "
    "it changes.",
)  # fmt: skip
GATEWAY_TLS_KEY = _named(
    "GATEWAY_TLS_KEY", "file", "The certificate's key (PEM, not encrypted).", derived="the certificate's file"
)
GATEWAY_TLS_CLIENT_CA = _named(
    "GATEWAY_TLS_CLIENT_CA", "file", "The authority of callers: without a certificate that it signed nobody gets a connection."
)
GATEWAY_CLIENT_CERT = _named(
    "GATEWAY_CLIENT_CERT", "file", "The certificate that our own clients show to a gateway that asks its callers for one."
)
GATEWAY_CLIENT_KEY = _named(
    "GATEWAY_CLIENT_KEY", "file", "That certificate's key (PEM, not encrypted).", derived="the certificate's file"
)
ACCESS_LOG = _named(
    "ACCESS_LOG", "folder", "Where the gateway notes down who asked for what, one line a request. Empty: nowhere."
)
LOG_SHIP_SECONDS = _named(
    "LOG_SHIP_SECONDS", "seconds",
    "How long a line of the prediction log waits on a gateway's disk before it is shipped to the root.", "5",
)  # fmt: skip
LOG_SHIP_KILOBYTES = _named("LOG_SHIP_KILOBYTES", "number", "Kilobytes of a segment that are shipped without waiting.", "1024")
LOG_BACKLOG_MEGABYTES = _named(
    "LOG_BACKLOG_MEGABYTES", "number",
    "Megabytes of the prediction log that may wait on a gateway's disk while the root does not take them. Beyond it the oldest "
    "complete segments are given up, counted and alerted.", "4096",
)  # fmt: skip
LOG_KEEP_HOURS = _named(
    "LOG_KEEP_HOURS",
    "hours",
    "How long a segment that was shipped stays on the gateway's disk after it was last written to.",
    "24",
)
SERVE_HOST = _named("SERVE_HOST", "name", "Set by the gateway on Ray Serve for its replicas: the host it listens on.")
SERVE_ALONE = _named("SERVE_ALONE", "switch", "Set by it likewise: whether its Ray is its own (`yes` or `no`).")

# -- authors' SQL, storage, faults, Airflow ----------------------------------------------------------------------------------

SQL_SECONDS = _named("SQL_SECONDS", "seconds", "How long one query of a model's author may take.", "1800")
SQL_MEMORY = _named(
    "SQL_MEMORY",
    "size",
    "How much memory such queries may take, as DuckDB writes it; a share is of this machine's, or of its container's.",
    "50%",
)
APPROVERS = _named(
    "APPROVERS", "roles and users",
    "Who has which role of `rollout.approval`: `risk=ann,bob; legal=carol`, each user by Airflow's id or name.",
)  # fmt: skip
AIRFLOW_TOKEN = _named(
    "AIRFLOW_TOKEN", "text", "A person's token of Airflow's API, with which `slipstream approve` and `reject` answer as them.",
)  # fmt: skip
KEEP_PREDICTIONS = _named(
    "KEEP_PREDICTIONS", "days", "How many days of the prediction log `slipstream gc` keeps. Empty: all of them.",
)  # fmt: skip
CA_BUNDLE = _named(
    "CA_BUNDLE", "file", "Certificates of private authorities, for every server that we talk to over TLS.", jobs=True
)
FAULT = _named("FAULT", "JSON", "Arms one fault point of the tests: the process dies, or waits, where it says.")
WARM = _named("WARM", "switch", "`0`: neither the scheduler nor the fork server imports the vendors' libraries ahead.", "1")
WARM_SOCKET = _named(
    "WARM_SOCKET", "path",
    "The socket of a node's fork server, of which its jobs and Ray's workers are forked; without one they start cold. Read on "
    "the node alone.",
)  # fmt: skip
DAGS = _named("DAGS", "folder", "DAG files of another folder than the project's.", derived="`dags` in the project")
DAGS_OF = _named(
    "DAGS_OF", "packages, folders",
    "The places of SLIPSTREAM_MODELS whose DAGs the platform's own DAG files make; the others have DAG bundles of their own.",
    derived="all of them",
)  # fmt: skip
PLATFORM = _named("PLATFORM", "text", "Set by `make up` in every process of a platform: names its home.")

# -- the local platform's ports ----------------------------------------------------------------------------------------------

PORTS: Mapping[str, Variable] = {
    name: _named(f"{name.upper()}_PORT", "port", f"{doc} The platform of `make up` listens on it.", str(port))
    for name, port, doc in (
        ("airflow", 8080, "Airflow's API server."),
        ("mlflow", 5500, "MLflow."),
        ("ray", 8265, "Ray's dashboard, which serves the Jobs API."),
        ("gateway", 8500, "The gateway."),
        ("postgres", 5540, "PostgreSQL."),
        ("ray_gcs", 6390, "What Ray's workers and jobs connect to."),
        ("ray_agent", 6391, "The agent of Ray's dashboard."),
        ("ray_client", 6392, "Ray's client server, which it starts whether it is used or not."),
    )
}

JOB_NEEDS = _named(
    "JOB_NEEDS", "JSON", "Set by a task for its jobs: the machines that the spec asks for, and by when the job is to be over."
)

# -- a job on a Ray cluster elsewhere: set by whoever submits it -------------------------------------------------------------

JOB_NAME = _named("JOB_NAME", "name", "The job's name, which its sealed logins are bound to.")
JOB_CODE = _named("JOB_CODE", "digest", "What the files of its code must have: the digest of their list.")
JOB_PROJECT = _named("JOB_PROJECT", "folder", "Where its code is in the nodes' image; empty: it was brought.")
JOB_LOGINS = _named("JOB_LOGINS", "text", "Its logins, sealed under the cluster's token.")

# -- connections: logins, as Airflow writes them -----------------------------------------------------------------------------


def connection(conn_id: str) -> Variable:
    """The variable that holds an Airflow connection's URI, or its JSON."""
    return Variable(f"AIRFLOW_CONN_{conn_id.upper()}", "connection", "An Airflow connection.")


REMOTES = "slipstream_oip_"  # the ids of connections to servers of remote models begin so
CONNECTIONS = tuple(
    Variable(f"AIRFLOW_CONN_SLIPSTREAM_{name}", "connection", doc)
    for name, doc in (
        ("MLFLOW", "MLflow's login; of a job, an account that can log runs and do nothing else."),
        ("MLFLOW_JOBS", "The login that local jobs are given in its place."),
        ("RAY", "The password is the Ray cluster's token."),
        ("GATEWAY", "The password is the gateway's administrator token; the extra may list tokens by model and right."),
        ("AIRFLOW", "The login of Airflow's REST API: for `slipstream jobs`, `slipstream reconcile` and the demonstration."),
        ("ALERTS", "The webhook that alerts go to."),
        ("OIP_NAME", "A server of remote models, which addresses call `oip://NAME/...`: one variable for each such server."),
        ("DOSSIER", "The password is the key that signs dossiers; without it one under the home does."),
        ("ENTITIES", "The password hides entities in the prediction log; without it a key under the home does."),
    )
)

# -- seen from outside: the variables of OpenTelemetry and of Sentry are read as their specifications say ---------------------

LOG_FORMAT = _named("LOG_FORMAT", "name", "How processes log: `text`, or `json` for a JSON object a line.", "text", jobs=True)
LOG_FIELDS = _named("LOG_FIELDS", "JSON", "Set by a task for its jobs: what the lines of their logs say of the run.")
OTEL_DISABLED = Variable("OTEL_SDK_DISABLED", "switch", "`true`: nothing is traced, whatever else is set.")
OTEL_EXPORTER = Variable(
    "OTEL_TRACES_EXPORTER",
    "names",
    "How traces are sent: `otlp`, `console`, `none` ... Traces are on where it or an endpoint is set.",
)
OTEL_ENDPOINT = Variable(
    "OTEL_EXPORTER_OTLP_ENDPOINT", "address", "The collector that traces are sent to. Not set: nothing is traced."
)
OTEL_TRACES_ENDPOINT = Variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "address", "The same for traces alone, with its path.")
OTEL_PROTOCOL = Variable("OTEL_EXPORTER_OTLP_PROTOCOL", "name", "`grpc` or `http/protobuf`.", "grpc")
OTEL_TRACES_PROTOCOL = Variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "name", "The same for traces alone.")
OTEL_HEADERS = Variable(
    "OTEL_EXPORTER_OTLP_HEADERS", "secret", "What the collector asks for, such as a token: `name=value`, with commas between."
)
OTEL_SERVICE = Variable(
    "OTEL_SERVICE_NAME", "name", "What a process is called in traces.", derived="`slipstream-gateway`, `-task` or `-job`"
)
OTEL_RESOURCE = Variable(
    "OTEL_RESOURCE_ATTRIBUTES", "text", "What else traces say of a process: `name=value`, with commas between."
)
OTEL_SAMPLER = Variable("OTEL_TRACES_SAMPLER", "name", "Which traces are recorded.", "parentbased_always_on")
OTEL_SAMPLER_ARG = Variable(
    "OTEL_TRACES_SAMPLER_ARG", "number", "The share of `traceidratio` and `parentbased_traceidratio`.", "1"
)
TRACEPARENT = Variable("TRACEPARENT", "text", "Set by a task for its jobs: the span that they go on below (W3C Trace Context).")
TRACESTATE = Variable("TRACESTATE", "text", "The same: what vendors added to it.")
SENTRY_DSN = Variable("SENTRY_DSN", "secret", "Where errors are reported to. Not set: nowhere. Needs the package `sentry-sdk`.")
TOLD = (LOG_FORMAT,)  # a job is told them beside the settings
REPORTING = (OTEL_HEADERS, SENTRY_DSN)  # they may open the servers that look on: for processes that trace and report

# -- others', which we read as well ------------------------------------------------------------------------------------------

RAY_ADDRESS = Variable("RAY_ADDRESS", "address", "The Ray cluster that a process works on; Ray sets it in its jobs.")
RAY_TOKEN = Variable("RAY_AUTH_TOKEN", "secret", "The Ray cluster's token, on its nodes: opens the logins of jobs.")
RAY_TOKEN_FILE = Variable("RAY_AUTH_TOKEN_PATH", "file", "A file with it.", derived="`~/.ray/auth_token`")
RAY_JOB = Variable(
    "RAY_JOB_CONFIG_JSON_ENV_VAR", "JSON", "Ray sets it in a job's process, by which `make up` knows one that was left."
)
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE = (
    Variable(name, "file", "Certificates of private authorities, where SLIPSTREAM_CA_BUNDLE names none.")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
)
MLFLOW_INSECURE = Variable(
    "MLFLOW_TRACKING_INSECURE_TLS", "switch", "`true`: MLflow's server is believed whatever certificate it has."
)
MLFLOW_CERTIFICATES = Variable(
    "MLFLOW_TRACKING_SERVER_CERT_PATH", "file", "Certificates of private authorities for MLflow alone, before any other."
)
MLFLOW_ADMIN_PASSWORD, MLFLOW_REGISTRY_PASSWORD, MLFLOW_JOBS_PASSWORD = (
    Variable(f"MLFLOW_{name}_PASSWORD", "secret", f"On containers: the password of MLflow's {who}, for setting up its accounts.")
    for name, who in (("ADMIN", "administrator"), ("REGISTRY", "account that registers"), ("JOBS", "account of jobs"))
)
CUDA_VISIBLE = Variable("CUDA_VISIBLE_DEVICES", "numbers", "Which of NVIDIA's GPUs a process may use.", derived="all of them")
PATH = Variable("PATH", "folders", "Where programs are found.", os.defpath, derived="the system's own")

# ----------------------------------------------------------------------------------------------------------------------------

GROUPS: Mapping[str, tuple[Variable, ...]] = {
    "Where everything is": tuple(SETTINGS.values()),
    "The gateway": (
        GATEWAY_WORKERS, GATEWAY_ASYNC_DAYS, GATEWAY_HOSTS, ORIGINS, GATEWAY_MODELS, GATEWAY_MEGABYTES, *BOUNDS.values(),
        GATEWAY_TLS_CERT,
        GATEWAY_TLS_KEY, GATEWAY_TLS_CLIENT_CA, GATEWAY_CLIENT_CERT, GATEWAY_CLIENT_KEY, ACCESS_LOG,
        LOG_SHIP_SECONDS, LOG_SHIP_KILOBYTES, LOG_BACKLOG_MEGABYTES, LOG_KEEP_HOURS, SERVE_HOST, SERVE_ALONE,
    ),
    "Work, storage and tests": (
        SQL_SECONDS, SQL_MEMORY, APPROVERS, AIRFLOW_TOKEN, KEEP_PREDICTIONS, JOB_NEEDS, CA_BUNDLE, FAULT, WARM, WARM_SOCKET,
        DAGS, DAGS_OF, PLATFORM,
    ),
    "What things cost": (COST_CURRENCY, *COSTS.values()),
    "Ports of the local platform": tuple(PORTS.values()),
    "A job on a Ray cluster elsewhere": (JOB_NAME, JOB_CODE, JOB_PROJECT, JOB_LOGINS),
    "Connections": CONNECTIONS,
    "AWS": environment_aws.GROUP,
    "Governance": environment_governance.GROUP,
    "Seen from outside": (
        LOG_FORMAT, LOG_FIELDS, OTEL_DISABLED, OTEL_EXPORTER, OTEL_ENDPOINT, OTEL_TRACES_ENDPOINT, OTEL_PROTOCOL,
        OTEL_TRACES_PROTOCOL, OTEL_HEADERS, OTEL_SERVICE, OTEL_RESOURCE, OTEL_SAMPLER, OTEL_SAMPLER_ARG, TRACEPARENT, TRACESTATE,
        SENTRY_DSN,
    ),
    "Of others": (
        RAY_ADDRESS, RAY_TOKEN, RAY_TOKEN_FILE, RAY_JOB, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE, MLFLOW_INSECURE,
        MLFLOW_CERTIFICATES, MLFLOW_ADMIN_PASSWORD, MLFLOW_REGISTRY_PASSWORD, MLFLOW_JOBS_PASSWORD, CUDA_VISIBLE,
        PATH,
    ),
}  # fmt: skip
VARIABLES = tuple(variable for group in GROUPS.values() for variable in group)
STORES = frozenset(variable.name for variable in VARIABLES if variable.store)
