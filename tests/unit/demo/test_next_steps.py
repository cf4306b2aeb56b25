"""What to try next: commands that the command line takes as they stand."""

from __future__ import annotations

import shlex
from datetime import date

import pytest

from include.cli import main as command_line
from include.cli import predict
from include.core.catalog import load_spec
from include.demo.next_steps import COMMAND, next_steps

STEPS = next_steps(date(2013, 3, 29))


@pytest.mark.parametrize("command", [command for _, command in STEPS])
def test_each_is_one_command_that_is_understood(command: str) -> None:
    program, *words = shlex.split(command)
    assert program == COMMAND
    assert command_line._parser(words).parse_args(words).model == "flight_delay"


def test_the_question_has_every_key_and_every_feature_of_a_request() -> None:
    """Else the answer would be degraded, or refused."""
    words = shlex.split(STEPS[0][1])[1:]
    options, spec = command_line._parser(words).parse_args(words), load_spec("flight_delay")
    assert set(predict._entity(spec, options.entity)) == set(spec.features.keys)
    assert set(predict._features(spec, options.features)) == {feature.name for feature in spec.features.request}
    assert options.at == "2013-03-28T22:00:00"  # of the last day that was replayed whole: its features are online
