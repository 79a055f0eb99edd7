"""`asl health`: how this machine is, for monitoring: one line, and an exit code as Nagios has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import click

from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_source
from aslp2p.cli.status import headline
from aslp2p.errors import AslError
from aslp2p.views.conditions.table import KINDS


class Health(IntEnum):
    """What monitoring makes of it; the number is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Finding(NamedTuple):
    """One thing that is not as it should be, and what to type."""

    health: Health
    common: str
    text: str
    remedy: str


@click.command("health", cls=Command)
@pass_settings
def health_command(settings: Settings) -> None:
    """How this machine is, in one line for monitoring.

    Ends with 0 when all is well, 1 when a person should look at it, 2 when it does not work (nothing is
    written, signed or served), 3 when that cannot be told, as where there is no home.
    """
    try:
        with open_source(settings) as source:
            answer = source.status()
    except AslError as error:
        findings, seen = [Finding(Health.UNKNOWN, "", error.message, error.remedy)], ""
    else:
        findings = find(answer)
        seen = ", ".join(well(one) for one in answer["commons"])
    worst = max((one.health for one in findings), default=Health.OK)
    if settings.json:
        rows = [{**one._asdict(), "health": one.health.name} for one in findings]
        say_json({"health": worst.name, "exit_code": int(worst), "findings": rows})
    else:
        told = sorted(findings, key=lambda one: -one.health)
        say(f"{worst.name}: {'; '.join(map(_words, told)) or seen}")
    raise click.exceptions.Exit(int(worst))


def find(answer: dict[str, Any]) -> list[Finding]:
    """What is not as it should be, of what `status` answers."""
    if not answer["commons"]:
        return [Finding(Health.UNKNOWN, "", "this home follows no Common", "asl join INVITE")]
    return [
        Finding(Health[one["severity"].upper()], one["common"], _text(one), one["remedy"])
        for one in answer["conditions"]
        if one["severity"] != "note"
    ]


def _text(condition: dict[str, Any]) -> str:
    kind = KINDS.get(condition["code"])  # a daemon of a newer version may know others
    label = "" if kind is None or kind.asks else f"{kind.label.lower()}: "
    return f"{label}{condition['text']}"


def well(common: dict[str, Any]) -> str:
    """A Common with which all is well: `home@42 (witness: you), final @41, 2 machines linked`."""
    links = len((common.get("live") or {}).get("links", ()))
    final = f", final @{common['final']}" if common.get("final") else ""
    return f"{headline(common)}{final}, {count_text(links, 'machine')} linked"


def _words(one: Finding) -> str:
    where = f"{one.common}: " if one.common else ""
    return f"{where}{one.text}{f' ({one.remedy})' if one.remedy else ''}"
