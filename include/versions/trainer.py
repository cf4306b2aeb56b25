"""Who asked for the training of a version: as the audit chain has it of the registration, where nobody edits it.

It is no field of the record: the code of `include/versions/record.py` is part of the key of every day of features.
"""

from __future__ import annotations

import sqlalchemy as sa

from include.core.acts import acts_in

REGISTERED = "register"  # the audit's word; its detail names the version
TRAINED_BY = "trained_by"  # in that detail: the user; empty where a clock or a task's event started the training, None: unknown
SEPARATOR = ", "
ASKED_BY = "asked_by"  # in a run's conf: for whom a command of ours started it, with the platform's login


def names_of(trained_by: str | None) -> frozenset[str]:
    """The users that such a text names, to be compared as `Person.keys` are: two where one asked another's login for the run."""
    whole = (trained_by or "").strip().casefold()
    return frozenset(name.strip() for name in (whole, *whole.split(SEPARATOR)) if name.strip())


def trainer_in(connection: sa.Connection, model: str, version: int) -> str | None:
    """The user; empty where no person asked for it, None where it is not known: an earlier release registered the version, or
    the run says nobody and a person may be behind it."""
    for act in acts_in(connection, model, (REGISTERED,)):
        if act.detail.get("version") == version:
            by = act.detail.get(TRAINED_BY)
            return str(by) if by is not None else None
    return None
