"""What a spec may ask of machines, and what contradicts itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Training
from include.core.spec.resources import Resources

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"gpus": -1}, "gpus"),
    ({"gpus": 17}, "gpus"),
    ({"cpus": 193}, "cpus"),
    ({"memory_gb": -0.5}, "memory_gb"),
    ({"nodes": 257}, "nodes"),
    ({"placement": "anywhere"}, "placement"),
    ({"gpus": 1, "accelerator": "a100"}, "accelerator"),
    ({"accelerator": "A100"}, "gpus is 0"),
    ({"nodes": 2, "placement": "strict_pack"}, "nodes says 2"),
    ({"nodes": 1, "placement": "strict_spread"}, 'placement says "strict_spread"'),
    ({"gpu": 1}, "gpu: is not a field here"),
]


@pytest.mark.parametrize(("values", "named"), WRONG)
def test_what_is_wrong_or_contradicts_itself_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError) as refused:
        Resources(**values)
    assert named in str(refused.value)


def test_what_one_machine_cannot_give_is_known() -> None:
    assert Resources(nodes=2).elsewhere == "nodes=2"
    assert Resources(placement="strict_spread").elsewhere == "placement='strict_spread'"
    assert [each.elsewhere for each in (Resources(), Resources(nodes=1), Resources(placement="spread"))] == ["", "", ""]


def test_float16_needs_a_gpu_and_machines_need_workers() -> None:
    with pytest.raises(SpecError, match=r"(?s)16-mixed.*resources\.gpus.*bf16"):
        Training(precision="16-mixed")
    assert Training(precision="16-mixed", resources=Resources(gpus=1)).precision == "16-mixed"
    assert Training(precision="bf16").resources.gpus == 0
    with pytest.raises(SpecError, match="3 machines for at most 2 workers"):
        Training(workers=2, resources=Resources(nodes=3))
    assert Training(workers=3, resources=Resources(nodes=3)).workers == 3


@pytest.mark.parametrize("limit", [timedelta(seconds=-1), timedelta(days=29), "soon"])
def test_a_time_limit_is_a_span_of_at_most_four_weeks(limit: Any) -> None:
    with pytest.raises(SpecError, match="time_limit"):
        Training(time_limit=limit)
