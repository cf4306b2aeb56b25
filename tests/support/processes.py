"""Processes that race: forked from one that has imported what they need. Each would take a third of a second to import it."""

from __future__ import annotations

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["include.core.control", "include.core.ledger", "include.core.schema.migrate", "pytest"])
