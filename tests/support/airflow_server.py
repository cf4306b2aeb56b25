"""Airflow's real API server with the plugin in it, on a database of its own. Run by the tests as a process.

`python -m tests.support.airflow_server PORT` prints a token for each role, as JSON, when it is about to listen.
"""

from __future__ import annotations

import json
import sys


def main(port: int) -> None:
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.utils.db import initdb

    initdb()
    app = create_app(apps="core")
    manager = app.state.auth_manager
    roles = ("viewer", "user", "op", "admin")
    tokens = {role: manager.generate_jwt(SimpleAuthManagerUser(username=role, role=role)) for role in roles}
    print(json.dumps(tokens), flush=True)

    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]))
