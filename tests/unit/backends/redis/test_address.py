"""Which Redis addresses we take, and that both ways of connecting read them alike."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest

from include.backends.redis.address import check, context_of, options_of, words_of
from include.core.environment import CA_BUNDLE
from include.core.errors import SpecError
from include.online_store.open import open_online


@pytest.mark.parametrize(
    ("query", "mode", "names"),
    [
        ("", ssl.CERT_REQUIRED, True),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE, False),
        ("?ssl_cert_reqs=optional", ssl.CERT_OPTIONAL, True),
        ("?ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
        ("?ssl_cert_reqs=none&ssl_check_hostname=true", ssl.CERT_NONE, False),
    ],
)
def test_tls_options_mean_for_reads_what_they_mean_for_writes(query: str, mode: ssl.VerifyMode, names: bool) -> None:
    context = context_of(options_of(f"rediss://h/0{query}"))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (mode, names)


def test_without_tls_there_is_no_context() -> None:
    assert context_of(options_of("redis://:secret@h:6379/2")) is None
    assert options_of("redis://:secret@h:6379/2")["db"] == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h/0?password=hunter2&protocol=3", "options that we do not honour: protocol"),
        ("redis://:hunter2@h/0?ssl_ca_certs=/x", "options that we do not honour: ssl_ca_certs"),  # TLS is rediss://
        ("rediss://:hunter2@h/0?ssl_validate_ocsp=true", "options that we do not honour: ssl_validate_ocsp"),
        ("redis://:hunter2@h/0?decode_responses=true", "options that we do not honour: decode_responses"),
        ("redis://:hunter2@h/0?timeout=3&colour=red", "options that we do not honour: colour, timeout"),
        ("rediss://:hunter2@h/0?ssl_ca_certs=/nowhere/ca.pem", r"TLS options cannot be used \(ssl_ca_certs\)"),
        ("rediss://:hunter2@h/0?ssl_cert_reqs=maybe", r"TLS options cannot be used \(ssl_cert_reqs\)"),
        ("redis://:hunter2@h/0?db=three", "no Redis URL"),
        ("redis://:hunter2@h:port/0", "no Redis URL"),
    ],
)
def test_what_one_of_the_two_ways_would_not_honour_is_refused_when_the_store_is_opened(url: str, words: str) -> None:
    with pytest.raises(SpecError, match=f"(?s){words}") as refused:
        open_online(url)
    assert "hunter2" not in str(refused.value)


def test_the_one_setting_for_private_authorities_holds_for_redis_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CA_BUNDLE.name, certifi.where())
    assert check("rediss://h/0")["ssl_ca_certs"] == certifi.where()
    assert "ssl_ca_certs" not in check("redis://h/0")
    assert "ssl_ca_certs" not in options_of(f"rediss://h/0?ssl_ca_path={tmp_path}")


def test_a_librarys_message_is_bounded_and_without_the_command() -> None:
    long = Exception("Command # 1 (EVALSHA " + "x" * 9000 + ") of pipeline caused error: READONLY no, hunter2")
    assert words_of(long, "redis://:hunter2@h/0") == "READONLY no, ***"
    assert words_of(OSError(), "redis://h/0") == "OSError"
