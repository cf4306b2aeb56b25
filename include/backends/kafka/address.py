"""How Kafka is reached: its address is a setting, its login a connection; and which options of librdkafka one may choose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from include.core import tls
from include.core.connection import Connection
from include.core.errors import SpecError

Options = dict[str, str | int | float | bool]
# What the connection's extra may say; the rest is ours.
ALLOWED = frozenset({
    "security.protocol", "sasl.mechanism", "sasl.mechanisms", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
    "ssl.key.password", "ssl.endpoint.identification.algorithm", "client.rack", "broker.address.family", "socket.timeout.ms",
    "session.timeout.ms", "max.poll.interval.ms", "queued.max.messages.kbytes", "sasl.oauthbearer.method",
    "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
})  # fmt: skip


def options_of(url: str, connection: Connection | None) -> Options:
    """librdkafka's options. Raises SpecError, which shows no secret, for an option that we do not honour."""
    servers = url.partition("://")[2].strip("/")
    if not servers or "@" in servers or "/" in servers:
        raise SpecError(
            "SLIPSTREAM_STREAM_URL is no address of Kafka's brokers.",
            seen=servers.rpartition("@")[2],
            hint="write kafka://host:9092,host:9092; the login is the connection `slipstream_stream`.",
        )
    options: Options = {"bootstrap.servers": servers}
    if connection is None:
        return options
    extra: Mapping[str, object] = connection.extra
    if unknown := sorted(set(extra) - ALLOWED):
        raise SpecError(
            f"The connection `slipstream_stream` has options that we do not honour: {', '.join(unknown)}.",
            safe="nothing was sent.",
            hint=f"leave them out; known are {', '.join(sorted(ALLOWED))}.",
        )
    options.update({name: str(value) for name, value in extra.items()})
    if connection.login:
        options.update({"sasl.username": connection.login, "sasl.password": connection.password})
        options.setdefault("sasl.mechanism", "SCRAM-SHA-512") if "sasl.mechanisms" not in options else None
        options.setdefault("security.protocol", "SASL_SSL")
    secure = "SSL" in str(options.get("security.protocol", "")).upper()
    if secure and "ssl.ca.location" not in options and (named := tls.bundle()):
        options["ssl.ca.location"] = named
    authorities = options.get("ssl.ca.location")
    if authorities and not Path(str(authorities)).exists():
        raise SpecError("The authorities' certificates of Kafka are not there.", seen=authorities, safe="nothing was sent.")
    return options
