"""The process that execnet starts for a worker: `python -S -E stub.py SOCKET -u -c BOOTSTRAP`. It lives as long as the worker.

It imports little, and nothing of ours, for it is run as a file.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

FORKED = b"+"


def main() -> int:
    """The worker's exit status. Where none can be forked, this process becomes one by the command that was given."""
    _, address, *command = sys.argv
    with socket.socket(socket.AF_UNIX) as seed:
        if not _is_forked(seed, address):
            seed.close()
            os.execv(sys.executable, [sys.executable, *command])
        os.close(0)  # whoever waits for the end of these pipes waits for the worker's
        os.close(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts the session interrupts the worker, too
        told = seed.recv(16)
    return int(told) if told else 1


def _is_forked(seed: socket.socket, address: str) -> bool:
    try:
        seed.connect(address)
        socket.send_fds(seed, [b"worker"], [0, 1, 2])
        return seed.recv(1) == FORKED
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
