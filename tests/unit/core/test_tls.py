from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from include.core import tls
from include.core.environment import CA_BUNDLE, GATEWAY_CLIENT_CERT, GATEWAY_CLIENT_KEY
from include.core.errors import SpecError
from include.core.variable import Variable
from tests.support.certificates import Authority


def test_our_own_setting_comes_before_other_tools_and_a_clients_own_before_it() -> None:
    env = {"SSL_CERT_FILE": "d", "CURL_CA_BUNDLE": "c", "REQUESTS_CA_BUNDLE": "b"}
    assert tls.bundle({}) == ""
    assert tls.bundle(env) == "b"
    assert tls.bundle({**env, CA_BUNDLE.name: "a"}) == "a"
    assert tls.bundle({**env, CA_BUNDLE.name: "a", "OWN": "o"}, Variable("OWN", "file", "")) == "o"
    assert tls.bundle({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "d"}) == "d"


def test_certificates_are_checked_by_a_file_a_folder_or_the_systems(tmp_path: Path) -> None:
    for env in ({}, {CA_BUNDLE.name: certifi.where()}, {CA_BUNDLE.name: str(tmp_path)}):
        made = tls.context(env)
        assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls.unverified().verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_that_holds_none_is_named_with_the_setting(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SpecError, match=rf"(?s){path}.*SLIPSTREAM_CA_BUNDLE"):
        tls.context({CA_BUNDLE.name: str(path)})


def test_our_clients_show_a_certificate_where_one_is_named_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two, hidden = authority.issue("one"), authority.issue("two"), authority.issue("hidden", password=b"x")
    names = (GATEWAY_CLIENT_CERT.name, GATEWAY_CLIENT_KEY.name)
    assert tls.gateway_context(dict(zip(names, (str(one.certificate), str(one.key)), strict=True)))
    for certificate, key, words in (
        (one.certificate, two.key, "the key is another certificate's"),
        (hidden.certificate, hidden.key, "the key is encrypted"),
        (one.certificate, tmp_path / "absent", "No such file"),
    ):
        with pytest.raises(SpecError, match=f"(?s){words}.*{names[0]}"):
            tls.gateway_context(dict(zip(names, (str(certificate), str(key)), strict=True)))


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", CA_BUNDLE.name),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", GATEWAY_CLIENT_CERT.name),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "http://"),
        ("Connection refused", ""),
    ],
)
def test_what_a_handshake_fails_over_says_what_to_set(words: str, cure: str) -> None:
    assert cure in tls.untrusted(OSError(words))
    assert bool(tls.untrusted(words)) == bool(cure)
