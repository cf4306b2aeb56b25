"""One Airflow API server for these tests, in front of a home with two registered versions."""

from __future__ import annotations

from tests.support.console_site import site as site
