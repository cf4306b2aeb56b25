from __future__ import annotations

from pathlib import Path

import pytest

from include.core.errors import DataError
from include.versions.override import LONGEST, Override, checked_reason, overrides_in
from tests.support.stores import empty_control


def test_overrides_are_read_from_the_audit_the_newest_of_each_version(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    acts = [
        ("ann", "rollout.restore", {"version": 3, "reason": "first", "despite": ["its gate is closed: x"]}),
        ("ben", "rollout.restore", {"version": 3, "reason": "second", "despite": ["its gate is closed: y"]}),
        ("ann", "rollout.restore", {"version": 4, "reason": "nothing stood against it", "despite": []}),
        ("cat", "rollout.restore_now", {"to": 5, "from": 3, "reason": "now", "despite": ["its gate is closed: z"]}),
        ("cat", "rollout.restore", {"version": 6, "reason": "an earlier release kept no such list"}),
    ]
    with control.transaction() as connection:
        for actor, action, detail in acts:
            control.append_audit(connection, actor, action, "m", detail)
        found = overrides_in(connection, "m")
        assert overrides_in(connection, "other") == {}
    assert {version: (one.actor, one.reason) for version, one in found.items()} == {3: ("ben", "second"), 5: ("cat", "now")}
    assert found[3].despite == ("its gate is closed: y",)


def test_an_override_in_words_is_one_line() -> None:
    told = Override("ann", "two\nlines", "2026-01-02T03:04:05+00:00", ("x",))
    assert told.words == "opened by hand by ann, 2026-01-02T03:04: two lines"


@pytest.mark.parametrize("reason", ["", "   ", "\n", "...", "?!"])
def test_a_reason_that_says_nothing_is_refused(reason: str) -> None:
    with pytest.raises(DataError, match=r"(?s)needs a reason.*slipstream gate open m 3"):
        checked_reason(reason, "m", 3)


def test_a_reason_is_bounded_and_trimmed() -> None:
    assert checked_reason("  ok ", "m", 3) == "ok"
    with pytest.raises(DataError, match="at most 2,000"):
        checked_reason("x" * (LONGEST + 1), "m", 3)
