"""What to try once the demonstration is over: three commands, each to be copied as it stands."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from include.demo.flights import MODEL

COMMAND = ".venv/bin/slipstream"
ASKED_AT = time(22)  # UTC: two hours before a departure of the evening
ENTITY = "origin=JFK carrier=B6 dest=MCO tailnum=N536JB"
FEATURES = "carrier_code=B6 origin_code=JFK dest_code=MCO hour=18 weekday=5 distance=944 scheduled_minutes=170"


def next_steps(replayed: date) -> list[tuple[str, str]]:
    """(what it does, command). `replayed`: the first day whose requests were not replayed, or not to their end."""
    asked = datetime.combine(replayed - timedelta(days=1), ASKED_AT).isoformat()
    ask = f"{COMMAND} predict {MODEL} --at {asked} --entity {ENTITY} --features {FEATURES}"
    return [
        ("Ask the model about a flight to Orlando", ask),
        ("Walk from the served version back to its raw rows, parameters and code", f"{COMMAND} trace {MODEL}"),
        ("Return to the version before, at once", f"{COMMAND} rollback {MODEL} --reason 'to see it'"),
    ]
