"""Names and values as MLflow takes them: what it would refuse, or cut without a word, is written so that it can be read back.

MLflow (3.17, mlflow/utils/validation.py) takes letters, digits, `_ / . - :` and spaces in the name of a metric or parameter,
a name that is its own normal path, at most 250 characters; values of parameters are cut at 6,000.

A name that it takes stays as it is. In any other each odd character is its code point between colons: `recall:40:10` is
`recall@10`. A name that is too long keeps its beginning and gets its digest; the run's tags hold it whole.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from include.core.digest import digest_bytes

LONGEST = 230  # characters: room is left for the number of a part
LONGEST_VALUE = 6000  # characters of a parameter
NAME_TAG = "slipstream.name."  # tag of a run: the whole of a name that is too long, by its digest
_MARK = ":_:"  # escapes nothing: it stands before a name that would be another path, and before the number of a part
_ESCAPE = re.compile(r":([0-9a-f]{1,6}|_):")
_ODD = re.compile(r"[^/\w.\- ]")  # a colon is odd only where a name cannot stay as it is
_PLAIN = re.compile(r"[/\w.\- :]+")


def encoded(name: str) -> str:
    """The name in MLflow. Two names never meet in one."""
    made = name if _stays(name) else _escaped(name)
    return made if len(made) <= LONGEST else f"{made[: LONGEST - 20]}:{_digest(name)}:"


def decoded(name: str) -> str:
    """The name that was encoded; for one that was too long, what is left of it."""
    return _ESCAPE.sub(lambda found: "" if found[1] == "_" else chr(int(found[1], 16)), name)


def whole_names(names: Mapping[str, object] | set[str]) -> dict[str, str]:
    """Tags of the run: those of the names that `encoded` had to cut."""
    return {f"{NAME_TAG}{_digest(name)}": name[:5000] for name in names if encoded(name).endswith(f":{_digest(name)}:")}


def parts(name: str, value: str) -> dict[str, str]:
    """A parameter by its name in MLflow; a value that is too long in numbered parts, each whole."""
    count = -(-len(value) // LONGEST_VALUE) or 1
    if count == 1:
        return {encoded(name): value}
    cuts = (value[n * LONGEST_VALUE : (n + 1) * LONGEST_VALUE] for n in range(count))
    return {f"{encoded(name)}{_MARK}{n}of{count}": cut for n, cut in enumerate(cuts, 1)}


def _stays(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and not _ESCAPE.search(name) and _is_path(name)


def _is_path(name: str) -> bool:
    return posixpath.normpath(name) == name and name != "." and not name.startswith(("/", ".."))


def _escaped(name: str) -> str:
    made = _ODD.sub(lambda found: f":{ord(found[0]):x}:", name)
    if _is_path(made):
        return made
    marked = _MARK + made
    return marked if _is_path(marked) else _MARK + made.replace("/", ":2f:")


def _digest(name: str) -> str:
    return digest_bytes(name.encode(errors="surrogatepass"))[:16]
