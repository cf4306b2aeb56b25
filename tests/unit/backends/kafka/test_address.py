"""Kafka's address is a setting and its login a connection; what we would not honour is refused, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.backends.kafka.address import options_of
from include.core.connection import Connection, parse
from include.core.errors import SpecError


def test_an_address_without_a_login() -> None:
    assert options_of("kafka://a:9092,b:9092", None) == {"bootstrap.servers": "a:9092,b:9092"}


def test_a_login_goes_by_scram_and_tls_unless_the_connection_says_otherwise() -> None:
    options = options_of("kafka://a:9093", parse("kafka://us:secret@a:9093/"))
    assert (options["sasl.username"], options["sasl.password"]) == ("us", "secret")
    assert (options["security.protocol"], options["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    chosen = Connection(login="us", password="secret", extra={"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "PLAIN"})
    options = options_of("kafka://a:9093", chosen)
    assert options["security.protocol"] == "SASL_PLAINTEXT"
    assert "sasl.mechanism" not in options


def test_the_installation_s_authorities_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    monkeypatch.setenv("SLIPSTREAM_CA_BUNDLE", str(bundle))
    secure = Connection(extra={"security.protocol": "SSL"})
    assert options_of("kafka://a:9093", secure)["ssl.ca.location"] == str(bundle)
    with pytest.raises(SpecError, match="certificates"):
        options_of("kafka://a:9093", Connection(extra={"ssl.ca.location": str(tmp_path / "none.pem")}))


@pytest.mark.parametrize("url", ["kafka://", "kafka://us:secret@a:9092", "kafka://a:9092/x"])
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SpecError) as found:
        options_of(url, None)
    assert "secret" not in str(found.value)


def test_an_option_of_ours_is_not_the_connection_s() -> None:
    with pytest.raises(SpecError, match=r"enable\.auto\.commit"):
        options_of("kafka://a:9092", Connection(extra={"enable.auto.commit": "true", "ssl.key.password": "hush"}))
