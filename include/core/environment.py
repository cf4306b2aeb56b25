"""Every environment variable that our code reads, with its type, its default and what it is for: the one list of them.

Whoever reads a variable names it here and asks it (`ROOT.read()`); docs/reference/settings.md is made from this list. What a
process hands on (to jobs, to the platform's processes) and what it must keep to itself follows from the same entries.

Variables that we only set for a vendor's library, and never read, are not here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "SLIPSTREAM_"


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str
    """What its text is: an address, a folder, a file, a number, seconds, a switch, a name, text."""
    doc: str
    default: str = ""
    derived: str = ""
    """The default in words, where it follows from another variable."""
    store: bool = False
    """It is the address of a store, which may hold a password: only processes that work on the store are given it."""
    jobs: bool = False
    """A job is given it, whichever backend runs the job."""

    def read(self, environ: Mapping[str, str] | None = None) -> str:
        """Its text in this process's environment, or in the one given; the default where it is not set."""
        return (os.environ if environ is None else environ).get(self.name, self.default)

    def is_set(self, environ: Mapping[str, str] | None = None) -> bool:
        return self.name in (os.environ if environ is None else environ)

    def is_on(self, environ: Mapping[str, str] | None = None) -> bool:
        """For a switch of somebody else's: "true" or "1"."""
        return self.read(environ).lower() in ("true", "1")


def _named(name: str, kind: str, doc: str, default: str = "", **more: bool | str) -> Variable:
    return Variable(PREFIX + name, kind, doc, default, **more)  # type: ignore[arg-type]


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
    "ONLINE_URL", "address", "The online feature store: sqlite:///path or redis://host:port/0.",
    derived="SQLite under the home", store=True,
)  # fmt: skip
MLFLOW_URL = _named("MLFLOW_URL", "address", "MLflow's tracking server and registry.", "http://127.0.0.1:5500", jobs=True)
RAY_URL = _named("RAY_URL", "address", "The Jobs API of the Ray cluster.", "http://127.0.0.1:8265", jobs=True)
RAY_PROJECT = _named(
    "RAY_PROJECT", "folder",
    "The project's folder on the nodes of a Ray cluster elsewhere, whose own `python` then runs the jobs. Empty: the cluster is "
    "this machine's.",
)  # fmt: skip
RAY_MODELS = _named(
    "RAY_MODELS", "packages, folders", "What SLIPSTREAM_MODELS is on the nodes of a Ray cluster elsewhere.",
    derived="SLIPSTREAM_MODELS",
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
    "JOB_BACKEND", "name", "What runs jobs: `ray`, or `process` for a process of this machine.", "ray", jobs=True
)
REGISTRY = _named(
    "REGISTRY", "name", "Where versions are registered: `mlflow`, or `folder` for one under the root.", "mlflow", jobs=True
)
SETTINGS: Mapping[str, Variable] = {
    each.name.removeprefix(PREFIX).lower(): each
    for each in (
        HOME, ROOT, CONTROL_URL, ONLINE_URL, MLFLOW_URL, RAY_URL, RAY_PROJECT, RAY_MODELS, GATEWAY_URL, GATEWAY_TOKENS,
        AIRFLOW_URL, MODELS, JOB_BACKEND, REGISTRY,
    )
}  # fmt: skip

# -- the gateway -------------------------------------------------------------------------------------------------------------

GATEWAY_WORKERS = _named("GATEWAY_WORKERS", "number", "Worker processes on the gateway's one port.", "1")
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
AWS_CONN_ID = _named("AWS_CONN_ID", "name", "The Airflow connection that has the login of an S3 root.", "aws_default")
CA_BUNDLE = _named(
    "CA_BUNDLE", "file", "Certificates of private authorities, for every server that we talk to over TLS.", jobs=True
)
FAULT = _named("FAULT", "JSON", "Arms one fault point of the tests: the process dies, or waits, where it says.")
WARM = _named("WARM", "switch", "`0`: the scheduler does not import the vendors' libraries before it forks.", "1")
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
        ("ENTITIES", "The password hides entities in the prediction log; without it a key under the home does."),
    )
)

# -- others', which we read as well ------------------------------------------------------------------------------------------

RAY_ADDRESS = Variable("RAY_ADDRESS", "address", "The Ray cluster that a process works on; Ray sets it in its jobs.")
RAY_JOB = Variable(
    "RAY_JOB_CONFIG_JSON_ENV_VAR", "JSON", "Ray sets it in a job's process, by which `make up` knows one that was left."
)
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE = (
    Variable(name, "file", "Certificates of private authorities, where SLIPSTREAM_CA_BUNDLE names none.")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
)
AWS_CA_BUNDLE = Variable("AWS_CA_BUNDLE", "file", "The same for S3 alone, before any other.")
AWS_ENDPOINT_URL = Variable("AWS_ENDPOINT_URL", "address", "Where S3 is, if the connection does not say.")
AWS_REGION = Variable("AWS_REGION", "name", "The region of S3, if the connection does not say.")
AWS_DEFAULT_REGION = Variable("AWS_DEFAULT_REGION", "name", "The same, where AWS_REGION is not set.")
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
PATH = Variable("PATH", "folders", "Where programs are found.", os.defpath, derived="the system's own")

# ----------------------------------------------------------------------------------------------------------------------------

GROUPS: Mapping[str, tuple[Variable, ...]] = {
    "Where everything is": tuple(SETTINGS.values()),
    "The gateway": (
        GATEWAY_WORKERS, GATEWAY_HOSTS, ORIGINS, GATEWAY_MODELS, GATEWAY_MEGABYTES, *BOUNDS.values(), LOG_SHIP_SECONDS,
        LOG_SHIP_KILOBYTES, LOG_BACKLOG_MEGABYTES, LOG_KEEP_HOURS, SERVE_HOST, SERVE_ALONE,
    ),
    "Work, storage and tests": (SQL_SECONDS, SQL_MEMORY, AWS_CONN_ID, CA_BUNDLE, FAULT, WARM, DAGS, DAGS_OF, PLATFORM),
    "Ports of the local platform": tuple(PORTS.values()),
    "Connections": CONNECTIONS,
    "Of others": (
        RAY_ADDRESS, RAY_JOB, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE, AWS_CA_BUNDLE, AWS_ENDPOINT_URL, AWS_REGION,
        AWS_DEFAULT_REGION, MLFLOW_INSECURE, MLFLOW_CERTIFICATES, MLFLOW_ADMIN_PASSWORD, MLFLOW_REGISTRY_PASSWORD,
        MLFLOW_JOBS_PASSWORD, PATH,
    ),
}  # fmt: skip
VARIABLES = tuple(variable for group in GROUPS.values() for variable in group)
STORES = frozenset(variable.name for variable in VARIABLES if variable.store)
