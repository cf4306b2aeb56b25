"""Which requests are recorded, and below whose span."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from include.backends.opentelemetry.provider import Ids
from include.backends.opentelemetry.requests import RequestSampler, parent_of
from include.backends.opentelemetry.sampling import ALL, Sampling
from include.core.tracing import Part

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class World:
    def __init__(self, *, parent: bool = True, share: float = 1.0) -> None:
        self.exported, ids = InMemorySpanExporter(), Ids()
        provider = TracerProvider(id_generator=ids)
        provider.add_span_processor(SimpleSpanProcessor(self.exported))
        self.sampler = RequestSampler(provider.get_tracer("x"), ids, Sampling(parent, round(share * ALL)))

    def ask(self, *headers: str) -> bool:
        """Whether a request with these `traceparent`s is recorded; it ends at once."""
        made = self.sampler([(b"host", b"x"), *((b"traceparent", each.encode()) for each in headers), (b"tracestate", b"shop=1")])
        if made is not None:
            made.finish("POST /x", 20, {"n": 1}, [Part("model", 10, 15, {})])
        return made is not None


def test_a_request_goes_below_its_callers_span_and_its_parts_below_it() -> None:
    world = World(share=0.0)
    assert world.ask(f"00-{TRACE}-{SPAN}-01")
    part, server = world.exported.get_finished_spans()
    assert server.parent is not None
    assert part.parent is not None
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE, SPAN)
    assert server.context.trace_state.get("shop") == "1"
    assert part.parent.span_id == server.context.span_id
    assert (part.start_time, part.end_time, server.end_time) == (10, 15, 20)


def test_the_header_of_the_answer_names_the_span() -> None:
    world = World()
    made = world.sampler([])
    assert made is not None
    made.finish("x", 1, {}, [])
    (server,) = world.exported.get_finished_spans()
    assert made.header == f"00-{server.context.trace_id:032x}-{server.context.span_id:016x}-01".encode()


@pytest.mark.parametrize(
    ("parent", "share", "given", "recorded"),
    [
        (True, 0.0, "01", True),
        (True, 1.0, "00", False),
        (True, 0.0, "03", True),  # beside a flag of a later version
        (False, 0.0, "01", False),
        (False, 1.0, "00", True),
    ],
)
def test_the_callers_verdict_stands_where_the_sampler_asks_for_it(parent: bool, share: float, given: str, recorded: bool) -> None:
    assert World(parent=parent, share=share).ask(f"00-{TRACE}-{SPAN}-{given}") is recorded


def test_without_a_caller_the_share_decides_and_the_trace_is_the_one_that_was_drawn() -> None:
    world = World(share=0.5)
    recorded = sum(world.ask() for _ in range(400))
    assert 120 < recorded < 280
    servers = [span for span in world.exported.get_finished_spans() if span.parent is None]
    assert all(span.context.trace_id % ALL < ALL // 2 for span in servers)
    assert len({span.context.trace_id for span in servers}) == recorded


@pytest.mark.parametrize(
    "given",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        "",
        "nonsense",
    ],
)
def test_what_the_standard_does_not_allow_is_as_good_as_absent(given: str) -> None:
    assert parent_of([(b"traceparent", given.encode())]) is None
    assert World(share=1.0).ask(given)
    assert not World(share=0.0).ask(given)


def test_two_parents_are_none_and_a_later_version_may_say_more() -> None:
    assert parent_of([(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())] * 2) is None
    assert parent_of([(b"traceparent", f"01-{TRACE}-{SPAN}-01-more".encode())]) == (int(TRACE, 16), int(SPAN, 16), True)
