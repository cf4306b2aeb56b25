"""What a machine has, and what it lacks of what a fit asks for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from include.core import cgroup, hardware
from include.core.errors import SpecError
from include.core.hardware import GIB, Hardware, require_hardware, this_hardware
from include.core.spec.resources import Resources

TWO = Hardware(8, 32.0, ("NVIDIA A100-SXM4-80GB", "NVIDIA L4"))


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of NVIDIA's driver, empty; no program of it is on the path."""
    monkeypatch.setattr(hardware, "DRIVER", tmp_path / "gpus")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "bin").mkdir()
    return tmp_path / "gpus"


def gpu(driver: Path, name: str, model: str) -> None:
    (driver / name).mkdir(parents=True)
    (driver / name / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 59\n")


@pytest.mark.parametrize(
    ("wanted", "lacks"),
    [
        (Resources(), []),
        (Resources(cpus=8, memory_gb=32, gpus=2), []),
        (Resources(gpus=1, accelerator="A100"), []),
        (Resources(gpus=1, nodes=1), []),
        (Resources(cpus=9), ["9 CPUs, of which there are 8"]),
        (Resources(memory_gb=32.5), ["32.5 GiB of memory, of which there are 32.0"]),
        (Resources(gpus=3), ["3 GPUs, of which there are 2"]),
        (Resources(gpus=2, accelerator="A100"), ["2 GPUs A100, of which there are 1"]),
        (Resources(gpus=1, accelerator="L40S"), ["1 GPUs L40S, of which there are 0"]),
        (Resources(nodes=2), ["nodes=2, and this is one machine"]),
        (Resources(cpus=16, gpus=4), ["16 CPUs, of which there are 8", "4 GPUs, of which there are 2"]),
    ],
)
def test_each_thing_that_is_missing_is_named_with_what_there_is(wanted: Resources, lacks: list[str]) -> None:
    assert TWO.missing(wanted) == lacks


def test_this_machine_is_what_its_affinity_and_its_container_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal:       67108864 kB\nMemFree:  1 kB\n")
    monkeypatch.setattr(cgroup, "limit", lambda: 0)
    assert this_hardware(gpus=False) == Hardware(len(os.sched_getaffinity(0)), 64.0)
    monkeypatch.setattr(cgroup, "limit", lambda: 3 * GIB)
    assert this_hardware(gpus=False).memory_gb == 3.0


def test_gpus_are_those_of_the_driver_that_this_process_may_see(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_hardware().gpus == ()
    for number, model in enumerate(("NVIDIA L4", "NVIDIA A100-PCIE-40GB")):
        gpu(driver, f"0000:{number}", model)
    assert this_hardware().gpus == ("NVIDIA L4", "NVIDIA A100-PCIE-40GB")
    assert this_hardware(gpus=False).gpus == ()
    for visible, left in (("1", 1), ("", 0), ("-1", 0), ("0,1", 2), ("GPU-8f1c", 1), ("0,7", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert len(this_hardware().gpus) == left, visible


def test_without_the_drivers_folder_its_program_is_asked_and_one_that_fails_has_no_gpu(driver: Path) -> None:
    program = driver.parent / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200'\n")
    program.chmod(stat.S_IRWXU)
    assert this_hardware().gpus == ("NVIDIA H200",)
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert this_hardware().gpus == ()


def test_a_fit_that_does_not_fit_is_refused_with_what_is_missing_and_where_to_go(driver: Path) -> None:
    require_hardware(Resources(), "a step")
    with pytest.raises(SpecError, match=r"(?s)2 GPUs, of which there are 0.*Safe: nothing was started.*SLIPSTREAM_JOB_BACKEND"):
        require_hardware(Resources(gpus=2), "a step")
