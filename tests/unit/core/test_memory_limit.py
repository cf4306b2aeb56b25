"""Lack of memory is told from other deaths by what says so, named with the setting to change, and tried once more."""

from __future__ import annotations

import pytest

from include.core.author import as_slipstream_error
from include.core.errors import CodeError, JobFailedError, MemoryLimitError, MemoryStillShort, PermanentError, SlipstreamError
from include.core.memory_limit import KILLED, of_log, once_more


class OutOfMemoryError(RuntimeError):
    """As torch has it."""


OutOfMemoryError.__module__ = "torch"


def raised_from(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9.00 GiB for an array"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        raised_from(ValueError("bad batch"), MemoryError()),
        RuntimeError("1 worker(s) were killed due to the node running low on memory. Memory on the node was 7.6GB / 8.0GB"),
    ],
)
def test_lack_of_the_machines_memory_is_named_with_the_setting(error: Exception) -> None:
    found = as_slipstream_error(error)
    assert isinstance(found, MemoryLimitError)
    assert "memory did not suffice" in found.what
    assert "training.resources.memory_gb" in found.hint


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        OutOfMemoryError("Allocation on device"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("XGBoostError: ... cudaErrorMemoryAllocation: out of memory"),
    ],
)
def test_lack_of_a_gpus_memory_is_named_with_other_settings(error: Exception) -> None:
    found = as_slipstream_error(error)
    assert isinstance(found, MemoryLimitError)
    assert "the GPU's memory did not suffice" in found.what
    assert "batch_size" in found.hint
    assert "accelerator" in found.hint


@pytest.mark.parametrize("error", [ValueError("out of luck"), RuntimeError("Connection closed by peer"), OSError(28, "No space")])
def test_other_deaths_are_what_they_were(error: Exception) -> None:
    assert type(as_slipstream_error(error)) in (CodeError, JobFailedError)


def test_a_log_counts_only_where_it_says_so() -> None:
    assert of_log("j", "step 4\nKilled") is None
    found = of_log("j", f"step 4\n{KILLED}")
    assert found is not None
    assert "step 4" in found.what
    assert "memory_gb" in found.hint


@pytest.mark.parametrize("before", [None, JobFailedError("a worker was lost"), PermanentError("no labels")])
def test_the_first_time_it_is_tried_once_more(before: SlipstreamError | None) -> None:
    error = MemoryLimitError("short", hint="x")
    assert once_more(error, before) is error


@pytest.mark.parametrize("before", [MemoryLimitError("short"), MemoryStillShort("short")])
def test_the_second_time_in_a_row_it_is_not(before: SlipstreamError) -> None:
    device = as_slipstream_error(RuntimeError("CUDA out of memory"))
    assert isinstance(device, MemoryLimitError)
    found = once_more(device, before)
    assert isinstance(found, MemoryStillShort)
    assert isinstance(found, PermanentError)
    assert "accelerator" in found.hint
    assert "once more" not in found.hint
