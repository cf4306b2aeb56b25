from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from include.core import tls
from include.core.environment import CA_BUNDLE, Variable
from include.core.errors import SpecError


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
