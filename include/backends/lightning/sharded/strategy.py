"""Training with every parameter, its gradient and the optimizer's state cut into rows, a part for each worker (FSDP2).

Lightning's own strategies of this kind ask for a GPU, or for a module that shards itself. This one is its DDP with another
wrapper: `Whole` gathers a unit's weights when its forward or backward begins, and lets them go at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor

from include.backends.lightning.plan import Build, Place, Plan
from include.backends.lightning.sharded.allocator import give_back_large
from include.backends.lightning.sharded.deferred import Deferred, refused
from include.backends.lightning.sharded.rows import load_moments, load_weights, local, owned, set_rows, uncut
from include.backends.lightning.sharded.units import check_size, units
from include.backends.lightning.shares import Shared
from include.backends.lightning.state_file import State
from include.core.errors import one_line
from include.training.checkpoint import CheckpointStore
from include.training.job import Floats

BUFFERS = 32 << 20  # bytes of buffers in one message


class Whole(nn.Module):
    """What the trainer calls instead of the module: its forward is where the weights that are in no unit are gathered."""

    def __init__(self, module: pl.LightningModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.module.training:
            send_buffers(self.module)
        try:
            return self.module(*args, **kwargs)
        except RuntimeError as error:
            if "mixed torch.Tensor and DTensor" not in str(error):
                raise
            raise refused("uses weights of a layer outside of that layer's forward, where they are cut", str(error)) from error


def send_buffers(module: nn.Module) -> None:
    """Every worker's buffers become those of worker 0, as DDP does it: running means of each one's rows would part."""
    buffers = [buffer for buffer in module.buffers() if buffer.numel()]
    if buffers and dist.get_world_size() > 1:
        dist._broadcast_coalesced(dist.group.WORLD, buffers, BUFFERS, 0)


@dataclass(frozen=True)
class Resumed:
    """Where the rows are that a fit goes on with."""

    store: CheckpointStore
    state: State
    place: Place


class ShardedStrategy(Shared, DDPStrategy):
    """In a process group that is there already, for the module that it has built."""

    def __init__(self, device: torch.device, factor: float = 1.0, **more: Any) -> None:
        super().__init__(**more)
        self._device, self.factor = device, factor
        self._whole: Whole | None = None
        self.resumed: Resumed | None = None

    @property
    def root_device(self) -> torch.device:
        return self._device

    @property
    def whole(self) -> Whole:
        assert self._whole is not None, "build comes first"
        return self._whole

    def build(self, plan: Plan, build: Build, features: Floats, place: Place) -> pl.LightningModule:
        """The author's module with this worker's rows of its parameters. Raises SpecError for one that cannot be cut."""
        give_back_large()
        module, deferred = build_deferred(plan, build, features, place)
        if not module.automatic_optimization:  # FSDP reduces gradients of a backward that follows the step, not of one within it
            raise refused("optimizes by hand (automatic_optimization=False)", type(module).__name__)
        check_size(module)
        rows = {name: deferred.rows(name, parameter) for name, parameter in module.named_parameters()}
        marks = {name: dict(vars(parameter)) for name, parameter in module.named_parameters()}  # such as _no_weight_decay
        for part in module.modules():
            for name, buffer in part.named_buffers(recurse=False):
                if buffer.is_meta:
                    raise refused(f"keeps a copy of its weights in the buffer {name}", type(part).__name__)
                part._buffers[name] = buffer.to(self._device)
        self._cut(module, plan.offload)
        device = torch.device("cpu") if plan.offload else self._device
        for name, owner, short in owned(module):
            set_rows(owner, short, rows.pop(name).to(device))
            vars(owner._parameters[short]).update(marks[name])
        return module

    def _cut(self, module: pl.LightningModule, offload: bool) -> None:
        # The memory of a CPU's workers is where offload would put the rows.
        policy = CPUOffloadPolicy() if offload and self._device.type != "cpu" else OffloadPolicy()
        mesh = init_device_mesh(self._device.type, (dist.get_world_size(),))
        more: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": True, "offload_policy": policy}
        try:
            for unit in units(module):
                fully_shard(unit, **more)
            self._whole = cast(Whole, fully_shard(Whole(module), **more))
        except (ValueError, NotImplementedError, AssertionError) as error:
            raise refused(f"cannot be cut into rows ({one_line(error)[:200]})", type(module).__name__) from error

    def load(self, module: pl.LightningModule, whole: Mapping[str, Any]) -> None:
        """Put back what the step that is resumed from has of the module; `whole`: what is not cut."""
        assert self.resumed is not None
        module.load_state_dict(whole, strict=False)
        load_weights(module, self.resumed.store, self.resumed.state, self.resumed.place)

    def release(self) -> None:
        """Give the memory of weights, gradients and moments back, whoever still refers to them. Hooks that autograd holds do,
        where Python's collector does not see it; and the worker may fit in another group after this one."""
        for part in self._whole.modules() if self._whole is not None else ():
            if isinstance(part, FSDPModule):
                part.reshard()  # where a step has failed, a unit may be gathered
        for parameter in self._whole.parameters() if self._whole is not None else ():
            _empty(parameter)
            _empty(parameter.grad)
        for optimizer in self.optimizers:
            for value in (value for state in optimizer.state.values() for value in state.values()):
                _empty(value)
        self._whole = self.model = self._lightning_module = None
        self.optimizers = []

    # -- of DDPStrategy ------------------------------------------------------------------------------------

    def setup_optimizers(self, trainer: pl.Trainer) -> None:
        super().setup_optimizers(trainer)
        if not all(isinstance(parameter, DTensor) for parameter in self.whole.parameters()):
            raise refused("makes layers anew whenever its configure_model is called", type(self.lightning_module).__name__)
        known = {id(parameter) for parameter in self.whole.parameters()}
        given = [parameter for optimizer in self.optimizers for group in optimizer.param_groups for parameter in group["params"]]
        if any(id(parameter) not in known for parameter in given):
            raise refused(
                "gives its optimizer parameters that it had put aside when it was built", type(self.lightning_module).__name__
            )

    def model_to_device(self) -> None:
        """It is where it belongs: with offload, that is not all of it on the GPU."""

    def configure_ddp(self) -> None:
        self.model = self.whole

    def optimizer_step(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().optimizer_step(*args, **kwargs)
        except RuntimeError as error:
            if "Sharding propagation failed" not in str(error):
                raise
            raise refused("has an optimizer that computes with more than a row of a weight", str(error)) from error

    @contextmanager
    def block_backward_sync(self) -> Iterator[None]:
        """Gradients that wait for a step are kept cut, too: they are reduced after each batch."""
        yield

    def lightning_module_state_dict(self) -> dict[str, Any]:
        assert self.lightning_module is not None
        return uncut(self.lightning_module)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        assert self.lightning_module is not None
        self.load(self.lightning_module, checkpoint["state_dict"])

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Its settings: the moments are cut."""
        return {"state": {}, "param_groups": getattr(optimizer, "_optimizer", optimizer).state_dict()["param_groups"]}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        assert self.lightning_module is not None
        assert self.resumed is not None
        resumed, settings = self.resumed, checkpoint["optimizer_states"]
        load_moments(self.lightning_module, self.optimizers, settings, resumed.store, resumed.state, resumed.place)

    def teardown(self) -> None:
        """Leaves the module where it is: it is asked for its scores after the fit."""
        assert self.cluster_environment is not None
        assert self.accelerator is not None
        self.cluster_environment.teardown()
        self.precision_plugin.teardown()
        self.accelerator.teardown()
        self.checkpoint_io.teardown()


def _empty(value: Any) -> None:
    if isinstance(value, DTensor):
        local(value.detach()).untyped_storage().resize_(0)


def build_deferred(plan: Plan, build: Build, features: Floats, place: Place | None) -> tuple[pl.LightningModule, Deferred]:
    """The author's module with its parameters on meta."""
    deferred = Deferred(place)
    with deferred.building():
        module = build(plan, features)
        module.configure_model()  # where an author makes the layers there: Lightning asks for hooks that can be called again
    return module, deferred
