"""The lineage of a version as a graph to walk: layers from the raw files to the predictions, each node a result of the ledger.

Built from records alone: no file's bytes are read, and of the many days of a training set none is opened before it is asked for.
`node_of` opens one; with `verify` every byte of it is read, and its digests are computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from include.core.control import ControlStore
from include.core.digest import digest_bytes, digest_json
from include.core.errors import DataError, IntegrityError, SlipstreamError, one_line
from include.core.ledger import Ledger
from include.core.partition import Partition
from include.core.request import Ref, Request, Result, relative
from include.data.raw import RawPartitions
from include.governance.registration import recipe
from include.monitoring.retraining.retrainings import count_between
from include.point_in_time.known import OF_SET
from include.rollout_state.queries import rollouts_of_in, served_in
from include.routing.route import Route, route_in
from include.versions import queries as versions
from include.versions.given_up import GivenUp, one_in
from include.versions.origin import IMPORTED
from include.versions.record import VersionRecord
from include.versions.shown import given_up, override_of, shown_records

LAYERS = ("raw data", "days", "training set", "model", "evaluation", "version", "rollout", "predictions")
FACTS = ("rows", "positives", "holdout_rows", "first", "last", "as_of", "passed", "day", "window", "quarantined")
PAGE = 100  # days


@dataclass(frozen=True)
class GraphNode:
    """`opens`: the result that it stands for, as `node_of` takes it; empty where it is no result. `folded`: how many it stands
    for. `facts` are words by name, in the order in which they are read."""

    id: str
    layer: str
    name: str
    words: str = ""
    digest: str = ""
    opens: str = ""
    folded: int = 0
    state: str = "recorded"  # or missing, changed
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    model: str
    version: int
    nodes: list[GraphNode] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)  # from what was made of, to what was made

    def add(self, node: GraphNode, *made: str) -> str:
        """The node, and what it went into."""
        self.nodes.append(node)
        self.edges += [(node.id, each) for each in made]
        return node.id

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "version": self.version,
            "layers": [name for name in LAYERS if any(node.layer == name for node in self.nodes)],
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [list(each) for each in self.edges],
        }


def graph_of(ledger: Ledger, control: ControlStore, model: str, version: int | None = None) -> dict[str, Any]:
    """Of the version in production, else of the newest; or of the one named. Raises DataError where there is none."""
    records = {record.version: record for record in shown_records(control, model)}
    champion = versions.champion([*records.values()])
    chosen = version or (champion.version if champion else max(records, default=0))
    if chosen not in records:
        raise DataError(
            f"{model} has no version {version}." if version else f"{model} has no version yet.",
            seen=version,
            hint=f"its versions: {', '.join(map(str, records))}." if records else "a run of its training DAG makes the first.",
        )
    graph, record = Graph(model, chosen), records[chosen]
    _version(graph, record)
    _made_of(graph, ledger, record)
    _became(graph, control, record)
    known = [{"version": each.version, "semver": each.semver, "stage": str(each.stage)} for each in records.values()]
    return {**graph.to_json(), "versions": known[::-1], "commit": record.entry.lineage.commit}


def _version(graph: Graph, record: VersionRecord) -> None:
    entry = record.entry
    facts: dict[str, Any] = {"semver": record.semver, "stage": str(record.stage), "as of": entry.as_of}
    facts |= {"registered": record.created_at, "run": record.run_id}
    facts |= {f"holdout {name}": value for name, value in entry.metrics.items()}
    if not entry.gate.passed:
        facts["gate"] = "closed: " + "; ".join(entry.gate.reasons)
    if (override := override_of(record)) is not None:
        facts["override"] = override.words
    if (gone := given_up(record)) is not None:
        facts["given up"] = gone.words
    name = f"version {record.version}"
    graph.add(
        GraphNode("version", "version", name, f"{record.semver}, {record.stage}", entry.key.rpartition("/")[2], facts=facts)
    )


def _made_of(graph: Graph, ledger: Ledger, record: VersionRecord) -> None:
    lineage = record.entry.lineage
    elsewhere = record.entry.origin == IMPORTED
    gone = given_up(record)
    train, made = _result_node(graph, ledger, gone, "train", "model", "trained elsewhere" if elsewhere else "trained model",
                               lineage.train, "version")  # fmt: skip
    _result_node(graph, ledger, gone, "evaluation", "evaluation", "evaluation", lineage.evaluation, "version")
    graph.edges.append((train, "evaluation"))
    if lineage.commit:
        graph.add(GraphNode("commit", "training set", "code commit", lineage.commit[:12], lineage.commit,
                            facts={"commit": lineage.commit, "digest of the code": lineage.code}), train)  # fmt: skip
    if made is not None and not elsewhere:
        params = recipe(made)
        graph.add(
            GraphNode("parameters", "training set", "parameters", f"{len(params)} of them", digest_json(params), facts=params),
            train,
        )
    data, built = _result_node(
        graph, ledger, gone, "training_set", "training set", "training set", lineage.training_set, train, "evaluation"
    )
    if built is not None:
        _days(graph, built, data)


def _result_node(
    graph: Graph, ledger: Ledger, gone: GivenUp | None, id_: str, layer: str, name: str, ref: Ref, *made: str
) -> tuple[str, Request | None]:
    """A result as a node, and its request; a node that says what is wrong where it cannot be read. `gone`: that the version was
    given up."""
    try:
        result = ledger.resolve(ref)
        request = ledger.request(result.key)
    except (SlipstreamError, FileNotFoundError) as error:
        if gone is not None and not isinstance(error, IntegrityError):
            node = GraphNode(id_, layer, name, gone.words, ref.digest, facts={"key": ref.key, "given up": gone.words})
            return graph.add(node, *made), _asked(ledger, ref)
        state = "changed" if isinstance(error, IntegrityError) else "missing"
        return graph.add(GraphNode(id_, layer, name, one_line(error), ref.digest, "", 0, state), *made), None
    facts = {"key": result.key, "made": result.committed_at, **_facts(result)}
    words = f"{int(result.value['rows']):,} rows" if "rows" in result.value else result.key.partition("/")[2][:12]
    return graph.add(GraphNode(id_, layer, name, words, ref.digest, relative(ref.uri), facts=facts), *made), request


def _asked(ledger: Ledger, ref: Ref) -> Request | None:
    """What stays of a result that was given up."""
    try:
        return ledger.request(ref.key)
    except (SlipstreamError, FileNotFoundError):
        return None


def _days(graph: Graph, built: Request, data: str) -> None:
    """The partitions that a training set reads, folded: the model's own, and those of each feature set."""
    by_owner: dict[str, list[str]] = {}
    for name, ref in built.inputs.items():
        if ref.kind == "features":
            owner, _, day = name.rpartition(OF_SET)
            by_owner.setdefault(owner or built.model, []).append(day)
    for owner, days in by_owner.items():
        days.sort()
        name = "published days" if owner == built.model else f"days of {owner}"
        told = {"owner": owner, "first": days[0], "last": days[-1], "days": len(days)}
        node = graph.add(
            GraphNode(f"days:{owner}", "days", name, f"{len(days)}, to {days[-1]}", folded=len(days), facts=told), data
        )
        facts = {"owner": owner, "where": f"below raw/{owner}/; a day, opened, leads to its files"}
        graph.add(GraphNode(f"raw:{owner}", "raw data", "raw partitions", f"{len(days)} days of them", facts=facts), node)


def _became(graph: Graph, control: ControlStore, record: VersionRecord) -> None:
    """Its rollouts, and what it answered."""
    model, number = record.entry.model, record.version
    with control.transaction() as connection:
        tried = rollouts_of_in(connection, model, number)
        since, until = served_in(connection, model, number)
        windows = count_between(connection, model, since[:19], until[:19]) if since else 0
        _, route = route_in(connection, model)
    for place, row in enumerate(tried):
        facts = {"state": row["state"], "stage": row["stage"], "reason": row["reason"], "opened": row["created_at"],
                 "last change": row["updated_at"], "rollout": row["id"]}  # fmt: skip
        name = "rollout" if len(tried) == 1 else f"rollout {place + 1} of {len(tried)}"
        node = graph.add(GraphNode(f"rollout:{row['id']}", "rollout", name, row["state"].replace("_", " "), facts=facts))
        graph.edges.append(("version", node))
    roles = ", ".join(_roles(route, number))
    if roles or since:
        told = {"now": roles, "champion since": since, "until": until, "monitored windows": windows}
        graph.add(GraphNode("predictions", "predictions", "predictions", roles or f"from {since[:10]}", facts=told))
        last = [node.id for node in graph.nodes if node.layer == "rollout"][-1:] or ["version"]
        graph.edges.append((last[0], "predictions"))


def _roles(route: Route, number: int) -> list[str]:
    return [role for role in ("champion", "challenger", "shadow", "previous") if getattr(route, role) == number]


# -- opened ------------------------------------------------------------------------------------------------------------------


def days_of_version(
    ledger: Ledger, control: ControlStore, model: str, version: int, owner: str, offset: int = 0
) -> dict[str, Any]:
    """A page of the partitions of one owner that a version was trained on, oldest first, each as `node_of` takes it."""
    with control.transaction() as connection:
        record, gone = versions.at_version(connection, model, version), one_in(connection, model, version)
    ref = record.entry.lineage.training_set
    built = ledger.request(ref.key if gone is not None else ledger.resolve(ref).key)
    prefix = "" if owner == model else f"{owner}{OF_SET}"
    days = sorted(name for name, ref in built.inputs.items() if ref.kind == "features" and _owner(name, model) == owner)
    shown = [
        {"day": name.removeprefix(prefix), "digest": built.inputs[name].digest, "opens": relative(built.inputs[name].uri)}
        for name in days[offset : offset + PAGE]
    ]
    return {"days": shown, "of": len(days), "offset": offset, "next": offset + PAGE if offset + PAGE < len(days) else None}


def _owner(name: str, model: str) -> str:
    return name.rpartition(OF_SET)[0] or model


def owner_of(ledger: Ledger, uri: str) -> str:
    """Whose result it is. Raises DataError for what is none."""
    try:
        return ledger.request(_key(uri)).model
    except FileNotFoundError:
        raise _gone(uri) from None


def node_of(ledger: Ledger, uri: str, *, verify: bool = False) -> dict[str, Any]:
    """A result opened: what it says, its inputs and files; with `verify` each file is read and compared. Raises DataError."""
    key = _key(uri)
    try:
        request = ledger.request(key)
        found = ledger.result(key, int(uri.split("/")[3][1:]))
    except FileNotFoundError:
        found = None
    if found is None:
        raise _gone(uri)
    broken = set(ledger.verify(found)) if verify else set[str]()
    files: list[dict[str, Any]] = [
        {"name": name, "path": file.path, "digest": file.digest, "bytes": file.bytes, "state": _state(verify, name in broken)}
        for name, file in found.files.items()
    ]
    files += _raw(ledger, request, verify)
    inputs = [
        {"name": name, "kind": ref.kind, "digest": ref.digest, "opens": relative(ref.uri)}
        for name, ref in sorted(request.inputs.items())[:PAGE]
    ]
    return {
        "model": request.model,
        "step": request.step,
        "opens": uri,
        "digest": found.digest,
        "facts": {"key": found.key, "generation": found.generation, "made": found.committed_at, "seconds": found.seconds,
                  "code": request.code, "function": request.function, "record": found.path, **_facts(found)},
        "files": files,
        "inputs": inputs,
        "of_inputs": len(request.inputs),
        "verified": verify,
        "intact": not verify or all(each["state"] == "verified" for each in files),
    }  # fmt: skip


def versions_of(ledger: Ledger, control: ControlStore, model: str, uri: str) -> list[int]:
    """The way on: the versions of a model that were made of a result, or trained on it as one of their days."""
    return [record.version for record in versions.records(control, model) if uri in _makings(ledger, record)]


def _makings(ledger: Ledger, record: VersionRecord) -> set[str]:
    lineage = record.entry.lineage
    made = {relative(ref.uri) for ref in (lineage.train, lineage.training_set, lineage.evaluation)}
    try:
        built = ledger.request(lineage.training_set.key)
    except (SlipstreamError, FileNotFoundError):
        return made
    return made | {relative(ref.uri) for ref in built.inputs.values()}


def _raw(ledger: Ledger, request: Request, verify: bool) -> Iterator[dict[str, Any]]:
    """The raw partitions that a verdict vouches for."""
    if request.step != "validate":
        return
    raw, day = RawPartitions(ledger.storage, request.model), Partition.read(request.params)
    for source, digest in request.params["sources"].items():
        path = raw.path(source, day)
        state = "recorded" if not verify else _compared(ledger, path, digest)
        yield {"name": f"raw {source}", "path": path, "digest": digest, "bytes": None, "state": state}


def _compared(ledger: Ledger, path: str, digest: str) -> str:
    try:
        return "verified" if digest_bytes(ledger.storage.read(path)) == digest else "changed"
    except FileNotFoundError:
        return "missing"


def _state(verify: bool, broken: bool) -> str:
    if not verify:
        return "recorded"
    return "missing or changed" if broken else "verified"


def _facts(result: Result) -> dict[str, Any]:
    return {name: result.value[name] for name in FACTS if isinstance(result.value.get(name), str | int | float | bool)}


def _gone(uri: str) -> DataError:
    return DataError("That result is gone.", seen=uri, hint="it was collected, or never was: slipstream trace says what is left.")


def _key(uri: str) -> str:
    """Raises DataError for what no result is called."""
    parts = uri.split("/")
    if len(parts) != 5 or parts[0] != "ledger" or parts[4] != "result.json" or not parts[3][1:].isdigit() or ".." in parts:
        raise DataError("That is no result of the ledger.", seen=uri[:100], hint="open one from the lineage of a version.")
    return f"{parts[1]}/{parts[2]}"
