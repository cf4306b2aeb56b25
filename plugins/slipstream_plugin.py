"""The Models page in Airflow's UI, and the reports of the ledger. Registers only; the rest loads on the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]


class LazyApp:
    """An ASGI app that is built when the first request comes.

    Airflow imports its plugins in every process, the tasks' included: FastAPI and Airflow's security
    would cost each of them a second.
    """

    @cached_property
    def _app(self) -> Any:
        from plugins.slipstream_api import app

        return app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await self._app(scope, receive, send)


class SlipstreamPlugin(AirflowPlugin):
    name = "slipstream"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/slipstream", "name": "Slipstream"}]  # noqa: RUF012 (Airflow's interface)
    external_views = [  # noqa: RUF012 (Airflow's interface)
        {
            "name": "Models",
            "href": "/slipstream/",
            "destination": "nav",
            "category": "browse",
            "url_route": "slipstream-models",
        }
    ]
