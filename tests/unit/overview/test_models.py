from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from include.core.errors import DataError
from include.core.request import Ref
from include.data.published import publish, resource
from include.overview.models import known_models, require_model
from include.routing.route import Route, set_route
from include.versions.store import add_in
from tests.support.stores import empty_control
from tests.support.toy_ledger import MODEL, record


def test_a_model_is_known_by_whatever_is_left_of_it(tmp_path: Path) -> None:
    control = empty_control(tmp_path)
    assert known_models(control) == set()
    with control.transaction() as connection:
        add_in(connection, record(1, "1.0.0"))
        set_route(connection, "routed", Route(champion=1))
    day = date(2026, 1, 1)
    publish(control, "published", day, Ref("/a", "a" * 64, "features"), {}, control.take(resource("published", day), "t"))
    assert known_models(control) == {MODEL, "routed", "published"}
    require_model("routed", "include.models", lambda: control)
    with pytest.raises(DataError, match="no model 'rooted'") as caught:
        require_model("rooted", "include.models", lambda: control)
    assert "routed" in str(caught.value.hint)
