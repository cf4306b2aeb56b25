"""What a page of ours lets a browser do, wherever it is opened: run the scripts that we put there, and load nothing.

Values that strangers chose flow into these pages. They are escaped where they are written; should that ever fail, the
page's own policy still keeps them from running: a script counts by the digest of its text.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

OPENING = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'  # of a page whose scripts are named in its policy
META = '<meta HTTP-EQUIV="Content-Security-Policy" content="'
_BASE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
STATIC = _BASE  # a page without a script
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.IGNORECASE | re.DOTALL)
_JSON = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def in_script(json_text: str) -> str:
    """JSON as it may stand in a script of an HTML page: equal in meaning, and no part of it can end the script."""
    return json_text.translate(_JSON)


def scripts(page: str) -> list[str]:
    """The text of every script in a page, in order."""
    return [found[2] for found in _SCRIPT.finditer(page)]


def script_policy(texts: Sequence[str]) -> str:
    """The policy that lets exactly these inline scripts run."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests))
    return f"{_BASE}; script-src {allowed}"


def policy_of(page: bytes) -> str:
    """The policy that a page carries right after our opening; empty for any other page. No value of theirs comes before it."""
    start = (OPENING + META).encode()
    return page[len(start) : page.find(b'"', len(start))].decode() if page.startswith(start) else ""


def meta(policy: str) -> str:
    """The policy as a page carries it; the first thing in its head, for what comes before it is not bound."""
    return f'{META}{policy}">'
