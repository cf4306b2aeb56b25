"""All that a Ray cluster shows of its jobs: its API, its logs, and what the process list says of its processes."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

KINDS = ("actors", "tasks", "workers", "nodes", "jobs", "runtime_envs", "placement_groups")
STATE = tuple(f"/api/v0/{kind}?detail=true&limit=1000" for kind in KINDS)


def by_api(url: str, token: str, job: str) -> dict[str, str]:
    """What the head answers to whoever may look at its dashboard, by path."""
    paths = [
        "/api/jobs/", f"/api/jobs/{job}", f"/api/jobs/{job}/logs", "/api/component_activities", "/api/cluster_status",
        "/nodes?view=details", "/api/version", *STATE,
    ]  # fmt: skip
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60)
    return {path: response.text for path in paths if (response := client.get(path)).is_success}


def by_logs(folder: Path) -> dict[str, str]:
    """The files of its sessions: logs of the head, its agents, its workers and its jobs."""
    paths = (path for path in folder.glob("session_*/logs/**/*") if path.is_file())
    return {str(path): path.read_text(errors="replace") for path in paths}


def by_processes(session: Path) -> dict[str, str]:
    """Command line and environment of every process that works in a session's folder, or below one that does."""
    found: dict[str, str] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            text = "\n".join(_read(process / name) for name in ("cmdline", "environ"))
            if str(session) in text:
                found[process.name] = text
    return found


def where(secrets: tuple[str, ...], shown: dict[str, str]) -> list[str]:
    """The places that show any of them."""
    return sorted(place for place, text in shown.items() if any(secret in text for secret in secrets))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").replace("\0", "\n")
    except OSError:  # it has ended
        return ""
