from __future__ import annotations

import pytest

from include.core.errors import SpecError
from include.core.spec import Training, Workers


def test_workers_are_a_number_or_bounds_and_read_back_as_they_were_written() -> None:
    for given in (2, Workers(minimum=2, maximum=8)):
        training = Training(workers=given)
        written = training.model_dump(mode="json")["workers"]
        assert Training(**training.model_dump(mode="json")) == training
        assert Workers.of(written) == Workers.of(given)
    assert Training(workers=2).model_dump(mode="json")["workers"] == 2
    assert Training(workers=Workers(minimum=2, maximum=8)).model_dump(mode="json")["workers"] == {"minimum": 2, "maximum": 8}


def test_a_number_is_both_bounds() -> None:
    assert (Workers.of(3).minimum, Workers.of(3).maximum, Workers.of(3).elastic) == (3, 3, False)
    assert Workers(maximum=4).elastic
    assert (str(Workers.of(3)), str(Workers(minimum=2, maximum=4))) == ("3", "2 to 4")


@pytest.mark.parametrize("given", [{"minimum": 3, "maximum": 2}, {"minimum": 0, "maximum": 2}, {"most": 4}])
def test_impossible_bounds_are_refused_by_name(given: dict[str, int]) -> None:
    with pytest.raises(SpecError, match=r"minimum|most"):
        Workers(**given)
    with pytest.raises(SpecError, match=r"workers.*(minimum|most)"):
        Training(workers=given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [0, -1])
def test_no_worker_at_all_is_refused(given: int) -> None:
    with pytest.raises(SpecError, match="workers"):
        Training(workers=given)
