"""Whether a storage root and a control store belong together: what one refers to looks like nobody's to another.

The seals of the audit chain say so: the newest one in the root is a copy of a row of the very control store that wrote it.
"""

from __future__ import annotations

from include.core.control import ControlStore
from include.core.errors import ConflictError, NotReadyError
from include.core.root_owner import require_own_root
from include.core.storage import Storage
from include.governance.audit import row_hash
from include.governance.seals import read_seals

SAFE = "nothing was removed."


def require_same_platform(control: ControlStore, storage: Storage) -> None:
    """Raises ConflictError where the root is another control store's, and NotReadyError where nothing says whose it is."""
    require_own_root(control, storage)
    seals = [stored.seal for stored in read_seals(storage) if stored.seal is not None]
    if not seals:
        raise NotReadyError(
            f"Nothing says that the storage at {storage.root} is this control store's: its audit chain was never sealed there.",
            safe=SAFE,
            hint="if it is, and no other platform uses that storage: slipstream audit seal, then this command again.",
        )
    newest = seals[-1]
    if row_hash(control, newest.seq) != newest.hash:
        raise ConflictError(
            f"The storage at {storage.root} is not this control store's: its newest seal is of a row that is not here.",
            seen=f"row {newest.seq}, sealed at {newest.at[:19]} UTC",
            safe=SAFE,
            hint="are SLIPSTREAM_ROOT and SLIPSTREAM_CONTROL_URL of one platform? If the store was restored from a backup: "
            "slipstream audit verify, then slipstream audit accept --reason ...",
        )
