from __future__ import annotations

import numpy as np

from include.explanations.layout import Layout
from include.model_contract.batch import Columns
from tests.support.explained import encoder, rows


def test_rows_are_put_together_feature_by_feature() -> None:
    table = rows(5)
    ours = encoder(table)
    layout, pool = Layout.of(ours), ours.encode_table(table)
    assert layout.names == ("wind", "hour", "carrier", "place")
    mixed = layout.gathered(pool, np.array([[0, 1, 2, 3]]))
    assert mixed.tolist() == [[pool[0, 0], pool[1, 1], pool[2, 2], *pool[3, 3:6]]]


def test_a_coalition_keeps_what_it_knows_and_takes_the_rest_from_the_background() -> None:
    table = rows(4)
    for form in ("tensor", "columns"):
        ours = encoder(table, form)  # type: ignore[arg-type]
        layout, pool = Layout.of(ours), ours.encode_table(table)
        known = np.zeros((2, len(layout)), np.bool_)
        known[1, [0, 3]] = True
        found = layout.composed(pool[:1], pool[1:], known)
        cells = np.tile(np.arange(1, 4)[:, None], (2, len(layout)))
        cells[3:, [0, 3]] = 0
        wanted = layout.gathered(pool, cells)
        if isinstance(found, Columns):
            assert isinstance(wanted, Columns)
            assert all(found[name].tolist() == wanted[name].tolist() for name in layout.names)
        else:
            assert found.tolist() == wanted.tolist()
