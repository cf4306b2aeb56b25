"""A model shared out to workers (FSDP) beside one that each of them has whole (DDP), and one that no worker could hold.

1. The same network by both, on two workers: what of a worker's memory the fit takes for each byte of the model, the seconds of a
   step and of a checkpoint, its bytes; and that both end with the same weights.
2. A network of 1.5 times the memory that a worker may have (RLIMIT_DATA: private memory, which the kernel refuses more of) is
   trained by eight, killed, gone on with by seven, and written as one ONNX file by one of them. The limit is 256 MiB beside what
   the interpreter and the libraries take; with --all it is 1 GiB of everything, which takes half an hour of two cores.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.sharded.model import build
from benchmarks.sharded.workers import Asked, fit
from benchmarks.table import Table
from include.backends.lightning.plan import MODEL, SCORES, Course, Plan
from include.backends.lightning.sharded.rows import blobs_of
from include.backends.lightning.state_file import State, read_state
from include.core.fault import Fault
from include.training.job import Input, Rows

INPUTS = 8
MIB = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("beside", "larger"))
    parser.add_argument("--all", action="store_true", help="a limit of 1 GiB for all that a worker has")
    options = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:  # /tmp may be memory
        if options.only != "larger":
            beside_ddp(table, Path(scratch))
        if options.only != "beside":
            larger_than_a_worker(table, Path(scratch), everything=options.all)
    return int(bool(table.missed))


def plan(width: int, layers: int, optimizer: str, batch: int, steps: int, every: int) -> Plan:
    params = {"width": width, "layers": layers, "optimizer": optimizer}
    return Plan(tuple(Input(f"x{n}") for n in range(INPUTS)), params, Course(batch * steps, batch, 1, 7), every)


def rows(count: int) -> tuple[Rows, Rows]:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(count + 64, INPUTS)).astype(np.float32)
    labels = (features[:, 0] > 0).astype(np.float32)
    return Rows(features[:count], labels[:count]), Rows(features[count:], labels[count:])


def bytes_of(given: Plan) -> int:
    width, layers = int(given.params["width"]), int(given.params["layers"])
    return 4 * (layers * (width * width + width) + (INPUTS + 1) * width + width + 1)


def beside_ddp(table: Table, folder: Path) -> None:
    given = plan(width=1024, layers=32, optimizer="adam", batch=64, steps=12, every=6)
    size = bytes_of(given)
    table.head(f"A network of {size / MIB:.0f} MiB with Adam, two workers")
    told, saved, trained = {}, {}, {}
    for strategy in ("ddp", "fsdp"):
        asked = Asked(folder / strategy, replace(given, strategy=strategy), build, lambda: rows(given.course.rows), 2)
        codes, notes = fit(asked)
        table.line(f"{strategy}: workers ended well", str(codes), "0, 0", codes == [0, 0])
        if any(codes):
            return
        told[strategy] = {key: max(note[key] for note in notes) for key in notes[0]}
        kept = sum(path.stat().st_size for path in asked.folder.glob("checkpoints/*000000006*"))
        saved[strategy], trained[strategy] = kept, weights(asked, newest(asked))
    for strategy, note in told.items():
        table.row(
            f"{strategy}: peak memory of a worker's fit, for each byte of the model", (note["trained"] - note["start"]) / size, ""
        )
        table.row(f"{strategy}: a step, median", note["step"], "s")
        table.row(f"{strategy}: a checkpoint", note["save"], f"s, {saved[strategy] / MIB:.0f} MiB")
    ours, peer = told["fsdp"], told["ddp"]
    table.row(
        "fsdp to ddp: peak memory", (ours["trained"] - ours["start"]) / (peer["trained"] - peer["start"]), "times", most=0.7
    )
    table.row("fsdp to ddp: a step", ours["step"] / peer["step"], "times", most=3.0)
    table.row("fsdp to ddp: a checkpoint", ours["save"] / peer["save"], "times", most=1.5)
    same = all(np.array_equal(trained["fsdp"][name], trained["ddp"][name]) for name in trained["ddp"])
    table.line("the weights at the end are the same bytes", str(same), "yes", same)


def larger_than_a_worker(table: Table, folder: Path, *, everything: bool) -> None:
    limit, width, layers = (1024 * MIB, 2048, 96) if everything else (256 * MIB, 1024, 96)
    given = replace(plan(width, layers, "sgd", batch=56, steps=4, every=2), strategy="fsdp")
    size = bytes_of(given)
    of_what = "for everything" if everything else "beside the libraries"
    table.head(f"A network of {size / MIB:.0f} MiB, workers that may have {limit / MIB:.0f} MiB each {of_what}")
    table.row("the model to a worker's limit", size / limit, "times", least=1.5)
    struck = Fault("train.step", "kill", skip=2)
    killed = Asked(
        folder / "larger", given, build, lambda: rows(given.course.rows), 8, struck, 3, limit, beside=not everything
    )  # fmt: skip
    codes, _ = fit(killed)
    table.line("eight workers, one of them killed at the third step", str(codes), "-9 of the fourth", codes[3] == -9)
    table.line("steps with a checkpoint", str(killed.store.steps()), "[2]", killed.store.steps() == [2])
    codes, notes = fit(replace(killed, world=7, fault=None))
    table.line("seven go on and end", str(codes), "all 0", codes == [0] * 7)
    said = (killed.folder / "said-0.txt").read_text()
    if any(codes):
        print(said[-3000:])
        return
    table.line("they went on at step", "2" if "resumed at step 2 of 4" in said else "0", "2", "resumed at step 2 of 4" in said)
    table.row("peak private memory in use of a worker while it trained", max(note["trained"] for note in notes) / MIB, "MiB")
    grown = max(note["trained"] - note["start"] for note in notes)
    table.row("of it beside the libraries", grown / MIB, "MiB")
    table.row("of worker 0 beside the libraries, with the export's own", (notes[0]["peak"] - notes[0]["start"]) / MIB, "MiB")
    table.row("a step, median", max(note["step"] for note in notes), "s")
    parity(table, killed)


def parity(table: Table, asked: Asked) -> None:
    """The file beside the blobs, weight by weight, and beside what the workers said of the validation rows together."""
    import onnx
    import onnxruntime

    path = asked.folder / MODEL
    assert asked.store.load_file(MODEL, path)
    said = onnxruntime.InferenceSession(path).run(None, {"features": asked.rows()[1].features})[0]
    expected = np.frombuffer(asked.store.load(SCORES) or b"", np.float32)
    table.row("largest gap of a score, file and workers", float(np.abs(said - expected).max()), "", most=1e-5)
    of_file = {each.name: each for each in onnx.load(path).graph.initializer}
    same = compared = 0
    for part in blobs_of(asked.store, newest(asked), lambda kind, *_: kind == "weight"):
        whole = onnx.numpy_helper.to_array(of_file[f"module.{part.name}"])
        same += int(np.array_equal(whole[part.start : part.start + len(part.values)], part.values.numpy())) * part.values.nbytes
        compared += part.values.nbytes
    table.line(
        "bytes of weights that are the trained ones", f"{same} of {compared}", "all", same == compared == bytes_of(asked.plan)
    )


def newest(asked: Asked) -> State:
    found = asked.store.newest()
    assert found is not None
    state = read_state(found[1])
    assert state is not None
    return state


def weights(asked: Asked, state: State) -> dict[str, np.ndarray]:
    if "shards" not in state:
        return {name: value.numpy() for name, value in state["trainer"]["state_dict"].items()}
    found: dict[str, list[np.ndarray]] = {}
    for part in blobs_of(asked.store, state, lambda kind, *_: kind == "weight"):
        found.setdefault(part.name, []).append(part.values.numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


if __name__ == "__main__":
    sys.exit(main())
