"""Where a place is read from, of what was committed of it and what its log still holds."""

from __future__ import annotations

from include.core.errors import DataError
from include.event_log.port import Place, Position, Standing


def start_of(owner: str, place: Place, standing: Standing, *, accept_gap: bool = False) -> int:
    """The offset to read from. Raises DataError where events are not there that the values would be made of."""
    position = standing.position
    if position is None:
        return standing.low
    where = f"partition {place[1]} of {place[0]!r}"
    anew = f"`slipstream stream {owner} --from-start` reads the topic from its first event."
    if position.next > standing.high:
        raise DataError(
            f"The topic was made anew: {where} ends at offset {standing.high}, and {position.next} was to be read next.",
            seen=f"offsets {standing.low} to {standing.high}",
            safe="nothing was read or written; what is online stays.",
            hint=anew,
        )
    if accept_gap:
        return min(max(position.floor, standing.low), standing.high)
    if position.floor < standing.low:
        lost = "of events that are not read yet" if position.next < standing.low else "that rows are still made of"
        raise DataError(
            f"The log holds {where} from offset {standing.low} on, and offsets from {position.floor} on {lost} are gone.",
            seen=f"floor {position.floor}, next {position.next}",
            safe="nothing was read or written; what is online stays.",
            hint=f"keep topics for longer than the window and what is late; {anew} --accept-gap goes on without them: values are "
            "then of what is left, until the window has passed.",
        )
    return position.floor


def moved(position: Position | None, reads: int | None) -> bool:
    """Whether somebody else read a place since we did, or our state of it is not whole."""
    return reads is None or position is None or position.next != reads
