"""What a spec may say of a warehouse, and what it may not."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Athena, Data, EmrServerless, Redshift

QUERY = "SELECT * FROM t WHERE at >= DATE '{first}' AND at < DATE '{after}'"
ATHENA: dict[str, Any] = {"source": "orders", "database": "sales", "query": QUERY}
SPARK: dict[str, Any] = {
    "source": "orders",
    "application": "00f1",
    "role": "arn:aws:iam::1:role/spark",
    "entry_point": "s3://x/y",
}


def test_a_source_has_one_warehouse_and_reads_back_as_it_was() -> None:
    data = Data(sources=("orders",), first=date(2013, 1, 1), warehouse=(Athena(**ATHENA),))
    assert Data.model_validate(data.model_dump(mode="json")) == data
    assert type(Data.model_validate(data.model_dump(mode="json")).warehouse[0]) is Athena


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Athena(**{**ATHENA, "query": "SELECT 1"}), r"must hold \{first\} and \{after\}"),
        (lambda: Athena(**{**ATHENA, "query": f"{QUERY}; "}), "semicolon"),
        (lambda: Athena(**{**ATHENA, "ready": "SELECT 1;"}), "ready must be one SELECT"),
        (lambda: Athena(**{**ATHENA, "output": "bucket"}), "output"),
        (lambda: Athena(**{**ATHENA, "table": "orders"}), r"database\.table"),
        (lambda: Redshift(**ATHENA), "give workgroup"),
        (lambda: Redshift(**ATHENA, workgroup="a", cluster="b"), "not both"),
        (lambda: Redshift(**{**ATHENA, "query": f"{QUERY} AND x = $$y$$"}, cluster="b"), r"\$\$"),
        (lambda: EmrServerless(**SPARK, arguments=("{first}", "{after}")), r"must hold \{target\}"),
        (lambda: EmrServerless(**{**SPARK, "application": "a b"}), "application"),
        (lambda: Data(sources=("x",), first=date(2013, 1, 1), warehouse=(Athena(**ATHENA),)), "not among sources"),
        (lambda: Data(sources=("orders",), first=date(2013, 1, 1), warehouse=(Athena(**ATHENA), Athena(**ATHENA))), "twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(make: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        make()
