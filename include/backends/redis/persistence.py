"""The files of a Redis: its log of commands (AOF) and its dump (RDB) hold what was removed until they are written anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import redis

PATIENCE = 60.0  # seconds for one file; a large one goes on by itself
POLL = 0.05
LOG, DUMP = "BGREWRITEAOF", "BGSAVE"
# Of INFO persistence: whether a file is being written, and whether the last time went well.
AT_WORK = {LOG: ("aof_rewrite_in_progress", "aof_rewrite_scheduled"), DUMP: ("rdb_bgsave_in_progress",)}
WENT = {LOG: "aof_last_bgrewrite_status", DUMP: "rdb_last_bgsave_status"}
FILE = {LOG: "the log of commands (AOF)", DUMP: "the dump (RDB)"}


def files_anew(client: Any, address: str, patience: float = PATIENCE) -> list[str]:
    """Have them written anew. Returns what still holds what was removed, in words: a file that this login may not have written,
    or that takes longer; the files of replicas."""
    state = client.info()
    left = []
    if state.get("aof_enabled"):
        left += _anew(client, address, LOG, patience)
    if _dumps(client, state):
        left += _anew(client, address, DUMP, patience)
    if replicas := state.get("connected_slaves"):
        left.append(f"the files of {replicas} replicas of the Redis at {address}: {LOG} and {DUMP} on each that keeps some.")
    return left


def _dumps(client: Any, state: dict[str, Any]) -> bool:
    """Whether there is, or may be, a dump: it saves by itself, or has saved or read one since it was started."""
    began = int(time.time()) - int(state.get("uptime_in_seconds", 0))
    if state.get("rdb_saves") or state.get("rdb_last_load_keys_loaded") or state.get("rdb_last_save_time", 0) > began + 2:
        return True
    try:
        return bool(client.config_get("save").get("save"))
    except redis.ResponseError:  # a service hides its settings; whether it keeps a dump is not known
        return True


def _anew(client: Any, address: str, command: str, patience: float) -> list[str]:
    end = time.monotonic() + patience
    try:
        _idle(client, end)
        if not _begun(client, command):
            return [f"{FILE[command]} of the Redis at {address}, which writes another one: {command} there, later."]
        state = _idle(client, end)
    except redis.ResponseError as error:
        return [f"{FILE[command]} of the Redis at {address}: {command} there, which this login may not ({error})."]
    if any(state.get(name) for name in AT_WORK[command]):
        return [f"{FILE[command]} of the Redis at {address} until it is written, which goes on: INFO persistence shows it."]
    if state.get(WENT[command]) != "ok":
        return [f"{FILE[command]} of the Redis at {address}: {command} failed there; its log says why."]
    return []


def _begun(client: Any, command: str) -> bool:
    """One is begun after what was removed: one that was under way before may hold it."""
    ask: Callable[[], Any] = client.bgrewriteaof if command == LOG else client.bgsave
    try:
        ask()
    except redis.ResponseError as error:
        if any(word in str(error) for word in ("in progress", "already", "active")):
            return False
        raise
    return True


def _idle(client: Any, end: float) -> dict[str, Any]:
    """INFO persistence, once it writes no file any more, or the time is up."""
    while True:
        state: dict[str, Any] = client.info("persistence")
        if not any(state.get(name) for names in AT_WORK.values() for name in names) or time.monotonic() > end:
            return state
        time.sleep(POLL)
