"""`asl health`: how this machine is, for monitoring: one line, and an exit code as Nagios has them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import click

from aslp2p.cli.attention import attention
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.silence import silence_words
from aslp2p.cli.source import open_source
from aslp2p.cli.status import headline
from aslp2p.errors import AslError


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
    found = []
    if answer["daemon"] is None:
        found.append(Finding(Health.CRITICAL, "", "no daemon is running", "asl up"))
    for common in answer["commons"]:
        found += _of_common(common)
    return found


def _of_common(common: dict[str, Any]) -> list[Finding]:
    live: dict[str, Any] = common.get("live") or {}
    signs = not {"authority", "witness"}.isdisjoint(common.get("roles", ()))
    broken = (
        common.get("fault")
        or live.get("read_only")
        or live.get("stopped")
        or live.get("conflict")
        or (common.get("stale") and signs)
        or common.get("standing") in ("expelled", "revoked")
    )
    wanting = attention(common)
    worst = Health.CRITICAL if broken else Health.WARNING
    found = [Finding(worst, common["name"], text, remedy) for text, remedy in wanting]
    if silence := silence_words(common):
        found.append(Finding(Health.WARNING, common["name"], silence, ""))
    if live and not live.get("links") and common.get("members", 1) > 1:
        found.append(Finding(Health.WARNING, common["name"], "no other machine is linked", "asl peers"))
    return found


def well(common: dict[str, Any]) -> str:
    """A Common with which all is well: `home@42 (witness: you), final @41, 2 machines linked`."""
    links = len((common.get("live") or {}).get("links", ()))
    final = f", final @{common['final']}" if common.get("final") else ""
    return f"{headline(common)}{final}, {count_text(links, 'machine')} linked"


def _words(one: Finding) -> str:
    where = f"{one.common}: " if one.common else ""
    return f"{where}{one.text}{f' ({one.remedy})' if one.remedy else ''}"
