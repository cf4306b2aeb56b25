"""The gateway on Ray Serve: what its command refuses before it starts a Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.gateway.on_ray import main


def test_strangers_are_refused_before_any_replica_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match="token"):
        main(["--host", "0.0.0.0"])


def test_a_certificate_that_serve_would_not_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPSTREAM_HOME", str(tmp_path))
    monkeypatch.setenv("SLIPSTREAM_GATEWAY_TLS_CERT", str(tmp_path / "own.pem"))
    with pytest.raises(SystemExit, match="it speaks plain text"):
        main(["--host", "127.0.0.1"])
