"""Row: materialize into DynamoDB, as moto's server has it. The promise is the row's of SQLite and Redis."""

from __future__ import annotations

from collections.abc import Mapping

from tests.chaos.protocol import (
    Absent,
    Backends,
    Backfill,
    Cell,
    Clear,
    Cut,
    Down,
    Kill,
    Lose,
    Overlap,
    Pause,
    Variant,
)
from tests.chaos.steps.materialize import BEFORE, MIDDLE, OUTSIDE_LOCKS, RECORDED, UNRECORDED, Materialize

ON = Backends(online="dynamodb")


class MaterializeDynamodb(Materialize):
    name = "materialize_dynamodb"
    title = "publish and materialize, online in DynamoDB"
    cells: Mapping[str, Cell] = {
        "F1": (Variant(Kill(BEFORE), ON),),
        "F2": (Variant(Kill(UNRECORDED), ON),),
        "F3": (Variant(Kill(MIDDLE), ON),),
        "F4": (Variant(Kill(RECORDED), ON),),
        "F5": (Variant(Cut("online"), ON), Variant(Lose(UNRECORDED), ON)),
        "F6": Absent("DynamoDB has no disk of ours"),
        "F7": (Variant(Pause(OUTSIDE_LOCKS), ON),),
        "F8": (Variant(Overlap(OUTSIDE_LOCKS), ON),),
        "F9": (Variant(Clear(), ON), Variant(Backfill(), ON)),
        "F10": (Variant(Down("online"), ON),),
    }


STEP = MaterializeDynamodb()
