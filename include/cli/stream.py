"""`slipstream stream OWNER`: compute views from events as they arrive, take in finished rows, or answer events by events.

The owner of the views is a model or a feature set.
"""

from __future__ import annotations

import argparse

from include.cli.answer import Shapes, answer
from include.cli.context import CliContext, open_context
from include.core.catalog import load_owner
from include.core.errors import SpecError
from include.core.spec import FeatureSet, PartitionOwner
from include.core.table import table

SHOWN = 40
SHAPES: Shapes = {
    "": {
        "model": "its name", "events": "how many were read and count", "rows": "how many were written online",
        "answers": "how many were written to the topic of answers",
        "set_aside": "with --set-aside the events that were: `topic`, `partition`, `offset`, `stamp`, `reason` and `value`",
    },
}  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="OWNER", help="a model, or a feature set")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rows", action="store_true", help="take in rows that another engine computed (streams.finished)")
    what.add_argument("--predict", metavar="TOPIC", help="answer the requests of this topic, each once")
    what.add_argument("--set-aside", action="store_true", help="show the events that were set aside, and why")
    parser.add_argument("--answers", metavar="TOPIC", help="with --predict: where the answers go; by default TOPIC.answers")
    parser.add_argument("--group", default="", help="the name under which processes share the topics; by default the model's")
    parser.add_argument("--metrics", metavar="HOST:PORT", help="serve Prometheus' /metrics there")
    parser.add_argument("--batch", type=int, default=20_000, help="events that are computed at a time (20000)")
    parser.add_argument("--flush", type=float, default=5.0, metavar="SECONDS", help="between two commits (5)")
    parser.add_argument("--until-end", action="store_true", help="end once there is nothing more to read")
    parser.add_argument(
        "--from-start", action="store_true", help="read the topics from their first event, whatever was committed"
    )
    parser.add_argument("--accept-gap", action="store_true", help="go on where the log has lost events that count")
    parser.set_defaults(refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    if options.answers and not options.predict:
        options.refuse("--answers says where answers go, and belongs to --predict")
    if options.batch < 1 or options.flush <= 0:
        options.refuse("--batch and --flush are above 0")
    context = open_context()
    spec = load_owner(options.model, context.settings.models)
    if options.set_aside:
        return _show(options, context, spec)
    from include.streaming.telemetry import StreamMetrics, serve

    metrics = StreamMetrics(spec.name)
    page = serve(metrics, *_address(options.metrics)) if options.metrics else None
    try:
        _work(options, context, spec, metrics)
    finally:
        if page is not None:
            page.shutdown()
    counts = {name: int(metrics.total(name)) for name in ("events", "rows", "answers")}
    aside = int(metrics.total("set_aside"))
    words = f"{counts['events']} events, {counts['rows']} rows, {counts['answers']} answers; {aside} set aside."
    answer(options, {"model": spec.name, **counts, "set_aside": []}, words)
    return 0


def _work(options: argparse.Namespace, context: CliContext, spec: PartitionOwner, metrics: object) -> None:
    from include.streaming.loop import Limits
    from include.streaming.run import run_answers, run_rows, run_views, until_told
    from include.streaming.telemetry import StreamMetrics

    assert isinstance(metrics, StreamMetrics)
    given = {name: getattr(options, name) for name in ("batch", "flush", "from_start", "accept_gap", "until_end")}
    limits = Limits(**given)
    with until_told() as stop:
        if options.predict:
            if isinstance(spec, FeatureSet):
                raise SpecError(
                    f"{spec.name} is a feature set, which answers no requests.",
                    safe="nothing was read.",
                    hint="name a model that reads it; its own stream needs no --predict.",
                )
            topics = options.predict, options.answers or f"{options.predict}.answers"
            run_answers(context, spec, metrics, limits, stop, topics=topics, group=options.group)
            return
        work = run_rows if options.rows else run_views
        work(context, spec, metrics, limits, stop, group=options.group)


def _show(options: argparse.Namespace, context: CliContext, spec: PartitionOwner) -> int:
    from include.event_log.poison import kept

    found = list(kept(context.storage, spec.name))
    lines = [(each["topic"], each["partition"], each["offset"], each["reason"]) for each in found[:SHOWN]]
    words = table(("topic", "partition", "offset", "reason"), lines) if found else f"No event of {spec.name} was set aside."
    more = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    answer(options, {"model": spec.name, "events": 0, "rows": 0, "answers": 0, "set_aside": found}, [words, *more])
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SpecError("This is no address to serve metrics at.", seen=text, hint="write 127.0.0.1:9108.")
    return host, int(port)
