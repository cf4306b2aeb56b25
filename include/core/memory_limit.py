"""What ended for want of memory, told by its exception, or by what a backend says of a job that left none; and what to do then.

Only what says so counts. A process that was killed for no stated reason may have been killed by a person.
"""

from __future__ import annotations

import re

from include.core.errors import MemoryLimitError, MemoryStillShort, SlipstreamError

# What NumPy, torch, XGBoost, LightGBM, C++ and Ray say, whichever class they raise.
_DEVICE = re.compile(r"CUDA (error: )?out of memory|cudaErrorMemoryAllocation|CUBLAS_STATUS_ALLOC_FAILED|HIP out of memory")
_HOST = re.compile(
    r"DefaultCPUAllocator: (not enough memory|can't allocate memory)|std::bad_alloc|Cannot allocate memory"
    r"|running low on memory|NODE_OUT_OF_MEMORY|RAY_memory_usage_threshold|OutOfMemoryError"
    r"|killed by the kernel for want of memory"
)
KILLED = "killed by the kernel for want of memory"
"""What a backend's log says of a process whose cgroup counts a kill by the kernel: `_HOST` knows it."""
_DEEPEST = 20
MOST = 4000  # characters of a log: Ray's monitor tells of all of the node's processes
SAFE = "nothing was committed; checkpoints are kept."
HOST_HINT = (
    "give each worker more memory: training.resources.memory_gb (or `resources` of one run), reserved on Ray, and choosing "
    "the instance on SageMaker; or have it need less: a smaller training.params.batch_size, a shorter training.window_days"
)
DEVICE_HINT = (
    'have the GPU need less: a smaller training.params.batch_size, training.precision="bf16"; or ask for a larger one: '
    "training.resources.accelerator"
)


def of_error(error: BaseException, shown: str) -> MemoryLimitError | None:
    """The exception, or one that it was raised from, as lack of memory; None for any other. `shown`: it in a line."""
    link: BaseException | None = error
    for _ in range(_DEEPEST):
        if link is None:
            return None
        text = _text(link)
        device = type(link).__name__ == "OutOfMemoryError" and type(link).__module__.startswith("torch")
        if device or _DEVICE.search(text):
            return _made(shown, "the GPU's memory did not suffice", DEVICE_HINT)
        if isinstance(link, MemoryError) or _HOST.search(text):
            return _made(shown, "memory did not suffice", HOST_HINT)
        link = link.__cause__
    return None


def of_log(job: str, tail: str) -> MemoryLimitError | None:
    """A job that ended without an error of ours, by the last lines of its log; None where they do not speak of memory."""
    if not (_HOST.search(tail) or _DEVICE.search(tail)):
        return None
    hint = HOST_HINT if _HOST.search(tail) else DEVICE_HINT
    return _made(f"Job {job} ended without a result", f"memory did not suffice. Its last lines:\n{tail[-MOST:]}\n", hint)


def once_more(error: MemoryLimitError, before: SlipstreamError | None) -> SlipstreamError:
    """The error to raise: one more attempt may pass where somebody else's work had taken the memory, a third does not.

    `before`: what the attempt before this one ended with.
    """
    if not isinstance(before, MemoryLimitError | MemoryStillShort):
        return error
    return MemoryStillShort(
        f"Two attempts in a row ended for want of memory: {error.what}", seen=error.seen, safe=error.safe,
        hint=f"{_way_out(error)}; then clear the task.",
    )  # fmt: skip


def _way_out(error: MemoryLimitError) -> str:
    return DEVICE_HINT if DEVICE_HINT in error.hint else HOST_HINT


def _made(what: str, why: str, hint: str) -> MemoryLimitError:
    full = f"{what}: {why}" if why.endswith("\n") else f"{what}: {why}."
    return MemoryLimitError(full, safe=SAFE, hint=f"it is tried once more; else {hint}.")


def _text(error: BaseException) -> str:
    try:
        return str(error)[:20_000]
    except Exception:  # noqa: BLE001 - an author's __str__
        return ""
