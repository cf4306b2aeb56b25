"""A SQLite file without what was deleted from it.

Deleted and overwritten rows stay in free pages of the file and in its write-ahead log, unless the library was built with
`secure_delete` (Debian's is, Python's own is not).
"""

from __future__ import annotations

import sqlite3


def made_anew(connection: sqlite3.Connection) -> bool:
    """Write the file anew, and empty its log. False where somebody who reads for longer than the connection waits keeps the log
    as it is. Raises sqlite3.OperationalError on a full disk, or where the file is locked for as long."""
    connection.execute("VACUUM")
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
