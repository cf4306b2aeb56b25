"""Entity rows and labels; every view is the feature set's."""

from __future__ import annotations


def entities() -> str:
    return "SELECT id AS request_id, ordered_at AS event_timestamp, customer, price FROM orders"


def labels() -> str:
    return "SELECT id AS request_id, came_back, known_at AS label_timestamp FROM returns"
