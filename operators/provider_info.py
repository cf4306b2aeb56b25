"""What Airflow's Connections page knows of Slipstream's connection types: names, hooks, forms.

Airflow reads it through the entry point `apache_airflow_provider`, in every process, and imports a hook only when it is used:
so nothing is imported here. An environment that runs the project as a folder has that entry point from scripts/launchers.py.
"""

from __future__ import annotations

NAME = "slipstream"


def get_provider_info() -> dict[str, object]:
    """In the form of Airflow's provider_info.schema.json."""
    return {
        "package-name": NAME,
        "name": "Slipstream",
        "description": "The closed ML loop: connections to its gateway, MLflow, Ray and Airflow.",
        "connection-types": connection_types(),
    }


def connection_types() -> list[dict[str, object]]:
    """A token stands in the password; what a server has no use for is not shown."""
    return [
        _type("gateway", "GatewayHook", "Slipstream gateway", hidden=("login",), password="Administrator token", port="8500"),
        _type("mlflow", "MlflowHook", "Slipstream MLflow", hidden=(), password="Password", port="5500"),
        _type("ray", "RayHook", "Slipstream Ray", hidden=("login",), password="Cluster token", port="8265"),
        _type("airflow", "AirflowHook", "Slipstream Airflow", hidden=(), password="Password", port="8080"),
    ]


def _type(server: str, hook: str, name: str, *, hidden: tuple[str, ...], password: str, port: str) -> dict[str, object]:
    return {
        "connection-type": f"slipstream_{server}",
        "hook-class-name": f"operators.server_hooks.{hook}",
        "hook-name": name,
        "ui-field-behaviour": {
            "hidden-fields": [*hidden, "extra"],
            "relabeling": {"password": password, "schema": "Scheme"},
            "placeholders": {"host": f"empty: as SLIPSTREAM_{server.upper()}_URL says", "port": port, "schema": "http, or https"},
        },
    }
