"""`slipstream doctor`: what is installed, reachable and out of date, and what every setting resolves to. Secrets are hidden.

It works with nothing running and in an empty home, changes nothing, and is done in seconds: everything is asked at once.

`--aws` looks at what the settings name on AWS as well. `--stack NAME` says the settings that its CloudFormation stacks come to,
and looks at nothing else: with a new account there is nothing else yet.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from include.cli.answer import Shapes, answer
from include.cli.checkup.finding import Check, Finding, Level, ok, problem, run_all
from include.cli.checkup.gateways import check_certificate
from include.cli.checkup.installed import check_packages, check_programs, check_python, check_stamp
from include.cli.checkup.machine import check_clock, check_disks, check_private
from include.cli.checkup.models import check_models
from include.cli.checkup.ray import check_ray
from include.cli.checkup.reachable import Reach
from include.cli.checkup.seen import check_seen
from include.cli.checkup.settings import Setting, all_secrets, check_connections, check_names, check_secrets, resolved, without
from include.cli.context import CliContext
from include.cli.exits import Exit, found
from include.core.errors import SlipstreamError, one_line
from include.core.settings import Settings
from include.core.table import table
from include.local.connections import read_file

SECONDS = 15.0  # that everything may take together
SHAPES: Shapes = {
    "": {
        "worst": "ok, warning or problem",
        "findings": "`level`, `about`, `words`, and `next`: what to do",
        "settings": "`name`, `value` without its secrets, `origin`: environment, connections.env, default, the stack",
    },
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--aws", action="store_true", help="look at what the settings name on AWS as well")
    parser.add_argument("--stack", metavar="NAME", help="print what the stacks NAME-data, NAME-jobs ... say of settings")


def run(options: argparse.Namespace) -> int:
    """FOUND where there is a problem; warnings alone are none."""
    given = dict(os.environ)
    filed, findings = _filed(given)
    context = CliContext(Settings.from_env({**filed, **given}), control_must_exist=True)
    if options.stack:
        return _stack(options, context)
    findings += _look(context, given, filed, options.aws)
    secrets = all_secrets({**filed, **given})
    shown = [Finding(each.level, each.about, without(secrets, each.words), without(secrets, each.next)) for each in findings]
    settings = [
        Setting(each.name, without(secrets, each.value), each.origin) for each in resolved(context.settings, given, filed)
    ]
    worst = max(each.level for each in shown)
    answer(options, {"worst": str(worst), "findings": list(map(_json, shown)), "settings": settings}, _words(shown, settings))
    return found(worst is Level.PROBLEM)


def _filed(given: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """What `connections.env` says; what is wrong with the file is a finding."""
    try:
        return read_file(Settings.from_env(dict(given)).home), []
    except SlipstreamError as error:
        return {}, [problem("connections.env", one_line(error.what), one_line(error.hint))]


def _stack(options: argparse.Namespace, context: CliContext) -> int:
    """As lines of an environment file, so that they can be kept in one."""
    from include.backends.aws.stacks import is_setting, outputs, settings_of  # botocore: not for who is not on AWS

    said = outputs(context.aws, options.stack)
    settings = settings_of(said)
    rest = {name: value for name, value in sorted(said.items()) if not is_setting(name)}
    lines = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    more = [f"# {name}: {value}" for name, value in rest.items()]
    value = {
        "worst": str(Level.OK),
        "findings": [_json(ok(name, value)) for name, value in rest.items()],
        "settings": [Setting(name, value, f"the stack {options.stack}") for name, value in settings.items()],
    }
    answer(options, value, [*lines, *more])
    return Exit.DONE


def _look(context: CliContext, given: Mapping[str, str], filed: Mapping[str, str], aws: bool) -> list[Finding]:
    reach = Reach(context, given)
    checks: dict[str, Check] = {
        "python": check_python,
        "packages": check_packages,
        "set-up": check_stamp,
        "programs": check_programs,
        **reach.checks(),
        "certificate": partial(check_certificate, context.settings.environ),
        "jobs on ray": partial(check_ray, context.settings),
        "models": partial(check_models, context),
        "settings": partial(check_names, given, filed),
        "connections": partial(check_connections, given, filed),
        "secrets backend": partial(check_secrets, context.settings),
        "seen from outside": check_seen,
        "disk": partial(check_disks, context.settings),
        "private files": partial(check_private, context.settings),
    }
    if aws:
        from include.cli.checkup.aws import aws_checks

        checks |= aws_checks(context)
    return [*run_all(checks, SECONDS), *check_clock(reach.clocks)]


def _json(finding: Finding) -> dict[str, str]:
    return {"level": str(finding.level), "about": finding.about, "words": finding.words, "next": finding.next}


def _words(findings: Sequence[Finding], settings: Sequence[Setting]) -> Iterator[str]:
    width = max(len(each.about) for each in findings)
    for each in findings:
        yield f"{each.level!s:<8} {each.about:<{width}}  {each.words}" + (f" Next: {each.next}" if each.next else "")
    yield ""
    yield table(("setting", "is", "from"), [(each.name, each.value, each.origin) for each in settings])
    yield ""
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    yield f"{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings, {counts[Level.OK]} ok."
