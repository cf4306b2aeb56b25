"""The gateway's own certificate: what is refused at start, and what its files may become meanwhile."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from include.core.environment import GATEWAY_TLS_CERT, GATEWAY_TLS_CLIENT_CA, GATEWAY_TLS_KEY
from include.core.errors import SpecError
from include.serving.http import certificate as module
from include.serving.http.certificate import Files, ServerCertificate, from_environment
from tests.support.certificates import DAY, Authority, Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "signed")


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)


def files(issued: Issued) -> Files:
    return Files(issued.certificate, issued.key)


def name_shown(server: ServerCertificate, authority: Authority) -> str:
    """Whose certificate a caller is shown by the next handshake."""
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context(cafile=authority.path)

    def answer() -> None:
        with server.context.wrap_socket(ours, server_side=True) as wrapped:
            wrapped.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    with context.wrap_socket(theirs, server_hostname="localhost") as wrapped:
        shown = wrapped.getpeercert()
        wrapped.send(b"x")
    thread.join()
    assert shown is not None
    return str(dict(each[0] for each in shown["subject"])["commonName"])  # type: ignore[misc,index]


def replace(old: Issued, new: Issued) -> None:
    shutil.copy(new.certificate, old.certificate)
    shutil.copy(new.key, old.key)


def test_new_connections_get_the_newest_pair_and_half_a_pair_changes_nothing(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = authority.issue("one"), authority.issue("two", ends=20 * DAY)
    server = ServerCertificate(files(one))
    before = server.expires
    assert name_shown(server, authority) == "one"
    shutil.copy(two.certificate, one.certificate)  # its key is still to come
    assert name_shown(server, authority) == "one"
    assert "stays as it was" in caplog.text
    shutil.copy(two.key, one.key)
    assert name_shown(server, authority) == "two"
    assert server.expires > before
    one.key.unlink()
    assert name_shown(server, authority) == "two"


def test_one_that_has_expired_meanwhile_is_not_taken_up(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    one, old = authority.issue("one"), authority.issue("old", begins=-3 * DAY, ends=-DAY)
    server = ServerCertificate(files(one))
    replace(one, old)
    assert name_shown(server, authority) == "one"
    assert "expired" in caplog.text


def test_what_ends_soon_is_told(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    ServerCertificate(files(authority.issue("soon", ends=3 * DAY)))
    assert "ends soon" in caplog.text


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [(-3 * DAY, -DAY, "expired"), (DAY, 3 * DAY, "is not good before"), (timedelta(minutes=1), DAY, "")],
)
def test_times_are_told_with_this_machine_s_clock(authority: Authority, begins: timedelta, ends: timedelta, words: str) -> None:
    issued = authority.issue("server", begins=begins, ends=ends)
    if not words:  # the clock of who signed it is a little ahead
        assert ServerCertificate(files(issued)).context
        return
    with pytest.raises(SpecError, match=rf"(?s){words} 20\d\d.*this machine's clock says"):
        ServerCertificate(files(issued))


def test_what_cannot_be_used_is_refused_by_name(authority: Authority, tmp_path: Path) -> None:
    good, other, hidden = authority.issue("good"), authority.issue("other"), authority.issue("hidden", password=b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("no certificate")
    for certificate, key, words in (
        (good.certificate, other.key, "the key is another certificate's"),
        (good.certificate, tmp_path / "absent", "No such file"),
        (good.certificate, rubbish, "cannot be used"),
        (good.certificate, None, "cannot be used"),
        (hidden.certificate, hidden.key, "the key is encrypted"),
        (rubbish, good.key, "certificate cannot be read"),
        (tmp_path / "absent", good.key, "certificate cannot be read"),
    ):
        with pytest.raises(SpecError, match=words) as refused:
            ServerCertificate(Files(certificate, key))
        assert "SLIPSTREAM_GATEWAY_TLS_" in str(refused.value)


def test_settings_are_all_or_none(authority: Authority, tmp_path: Path) -> None:
    good = authority.issue("good")
    both = tmp_path / "both.pem"
    both.write_bytes(good.certificate.read_bytes() + good.key.read_bytes())
    assert from_environment({}) is None
    assert from_environment({GATEWAY_TLS_CERT.name: str(both)}) is not None
    for alone in (GATEWAY_TLS_KEY, GATEWAY_TLS_CLIENT_CA):
        with pytest.raises(SpecError, match=f"{alone.name} is set, and {GATEWAY_TLS_CERT.name} is not"):
            from_environment({alone.name: str(good.key)})
    with pytest.raises(SpecError, match="authority of callers"):
        from_environment({GATEWAY_TLS_CERT.name: str(both), GATEWAY_TLS_CLIENT_CA.name: str(good.key)})
