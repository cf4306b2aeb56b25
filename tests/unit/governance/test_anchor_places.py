"""The file and syslog as places of anchors: what is there, what is away, what somebody spoilt."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from include.core.errors import UnreachableError
from include.governance.anchor_places import FilePlace, SyslogPlace
from include.governance.anchors import Anchor, Unreadable, anchors_in

ONE, TWO = (Anchor(seq, str(seq) * 64, "2026-11-30T00:00:00.000+00:00") for seq in (1, 2))


def test_a_file_is_its_owners_alone_and_only_appended_to(tmp_path: Path) -> None:
    place = FilePlace("here", tmp_path / "anchors")
    assert place.read() == []
    assert (place.write(ONE), place.write(ONE), place.write(TWO), place.write(TWO)) == (True, False, True, False)
    assert place.read() == [ONE, TWO]
    assert place.path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_cut_off_spoils_no_other_and_is_told(tmp_path: Path) -> None:
    place = FilePlace("here", tmp_path / "anchors")
    place.write(ONE)
    whole = place.path.read_bytes()
    place.path.write_bytes(whole + TWO.line.encode()[:40])
    assert place.write(TWO)
    first, spoilt, last = place.read()
    assert (first, last) == (ONE, TWO)
    assert isinstance(spoilt, Unreadable)
    assert spoilt.number == 2


@pytest.mark.parametrize("path", ["/proc/nowhere/anchors", "/"])
def test_a_file_that_cannot_be_reached_is_told_by_its_name(path: str) -> None:
    place = FilePlace("here", Path(path))
    with pytest.raises(UnreachableError, match="cannot be reached") as told:
        place.write(ONE)
    assert "SLIPSTREAM_AUDIT_ANCHOR" in told.value.hint
    if path == "/":
        with pytest.raises(UnreachableError):
            place.read()


def test_syslog_is_sent_a_message_of_the_facility_authpriv() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        assert SyslogPlace("syslog:", ("127.0.0.1", server.getsockname()[1])).write(ONE)
        message = server.recv(4096).decode()
    assert message.startswith("<86>slipstream: ")
    assert list(anchors_in(message.rstrip("\0"))) == [ONE]


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="Syslog"):
        SyslogPlace("syslog:", str(tmp_path / "none")).write(ONE)
