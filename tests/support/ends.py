"""Processes that may end between any two looks at them."""

from __future__ import annotations

import psutil


def is_gone(process: psutil.Process | int) -> bool:
    """It ended, or it ended and nobody waited for it yet."""
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def command_line(process: psutil.Process) -> str:
    """An empty text of a process that ended since it was listed."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def send(process: psutil.Process, sign: int) -> None:
    """To a process that may have ended."""
    try:
        process.send_signal(sign)
    except psutil.NoSuchProcess:
        return
