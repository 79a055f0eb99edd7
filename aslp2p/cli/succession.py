"""`asl rotate`, `recover`, `revoke`, `vouch`: replacing the witness, and a key in doubt."""

from __future__ import annotations

from typing import Any

import click

from aslp2p.cli.complete import complete_member
from aslp2p.cli.confirm import confirm
from aslp2p.cli.endorse import say_asked
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, open_daemon
from aslp2p.errors import UsageError
from aslp2p.views.conditions.silence import silence_words

_abandon = click.option(
    "--abandon", "abandons", multiple=True, metavar="ID", help="Give this cosigned snapshot up for ever (S9)."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("rotate", cls=Command)
@click.argument("name", shell_complete=complete_member)
@click.option("--reason", default="", help="Why, in one line; everybody sees it for ever.")
@pass_settings
def rotate_command(settings: Settings, name: str, reason: str) -> None:
    """Hand the witness's office to NAME. The authorities endorse it, NAME accepts it the same way."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("rotate", member=name, reason=reason)
    say_asked(settings, answer)


@click.command("recover", cls=Command)
@click.option("--reason", default="", help="Why, in one line; everybody sees it for ever.")
@click.option("--witness", default="", metavar="NAME", help="The new witness; else this machine.")
@_abandon
@_yes
@pass_settings
def recover_command(
    settings: Settings, reason: str, witness: str, abandons: tuple[str, ...], yes: bool
) -> None:
    """Ask for a new witness now, earlier than the daemons would. A quorum of the authorities decides."""
    with open_daemon(settings) as daemon:
        asked = {"reason": reason, "witness": witness, "abandons": list(abandons)}
        daemon.call("recover", **asked, check=True)
        common = _selected(daemon)
        old = common["witness"]["shown"]
        warnings = [silence_words(common) or f"{old} was heard a moment ago."]
        warnings.append(f"What {old} emits beyond @{common['height']} will be superseded; nothing is lost.")
        if settling := common["settlement"]:
            change = f"The policy change of @{settling['height']} is not settled yet"
            warnings.append(f"{change}: {settling['takeover']}.")
        warnings += _given_up(daemon, abandons)
        new = witness or ("this machine" if not common["witness"]["self"] else "")
        if not new:
            raise UsageError(
                "this machine is the witness itself",
                remedy="hand over with `asl rotate NAME`, or name another with --witness",
            )
        confirm(f"Ask for {new} as the witness instead of {old}?", warnings, yes=yes)
        answer = daemon.call("recover", **asked)
    say_asked(settings, answer)


@click.command("revoke", cls=Command)
@click.argument("name", shell_complete=complete_member)
@click.option("--because", "evidence", multiple=True, metavar="EVIDENCE", help="What `asl evidence` lists.")
@click.option("--reason", default="", help="Why, in one line: a stolen machine leaves no evidence.")
@click.option("--witness", default="", metavar="NAME", help="The new witness, if it has to change.")
@_abandon
@_yes
@pass_settings
def revoke_command(
    settings: Settings,
    name: str,
    evidence: tuple[str, ...],
    reason: str,
    witness: str,
    abandons: tuple[str, ...],
    yes: bool,
) -> None:
    """End the key of NAME in this Common, for every purpose and for ever. A quorum decides."""
    if not evidence and not reason:
        raise UsageError("a revocation needs a ground", remedy="give --because EVIDENCE, or --reason TEXT")
    with open_daemon(settings) as daemon:
        asked = {
            "member": name,
            "reason": reason,
            "evidence": list(evidence),
            "witness": witness,
            "abandons": list(abandons),
        }
        daemon.call("revoke", **asked, check=True)
        warnings = [
            f"The key of {name} will never again propose, endorse, cosign, emit or link in this Common.",
            "It cannot be admitted again; its owner needs a new key.",
            *_given_up(daemon, abandons),
        ]
        confirm(f"Ask for the revocation of {name}?", warnings, yes=yes)
        answer = daemon.call("revoke", **asked)
    say_asked(settings, answer)


@click.command("vouch", cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_settings
def vouch_command(settings: Settings, yes: bool) -> None:
    """Say that this machine's signing journal is whole, alone in a Common with one authority (S11)."""
    with open_daemon(settings) as daemon:
        reason = _selected(daemon)["stale"]
        warnings = [
            f"In doubt because: {reason}",
            "If another copy of this home still signs, or this one was restored from an older backup,",
            "two histories come of it, and whoever follows this Common finds the evidence.",
        ]
        if reason is not None:
            confirm("Is this the only copy, with everything it ever signed?", warnings, yes=yes)
        daemon.call("vouch")
    if settings.json:
        say_json({})
        return
    say("This machine's key signs again.")


def _given_up(daemon: DaemonSource, abandons: tuple[str, ...]) -> list[str]:
    """The warning of S9: every snapshot that is given up, by name."""
    if not abandons:
        return []
    answer = daemon.ask("giving-up", ids=list(abandons))
    lines = ["THIS GIVES UP FOR EVER, and every node shows it for ever (S9):"]
    lines += [_row(one) for one in answer["gives_up"]]
    if (more := answer["count"] - len(answer["gives_up"])) > 0:
        lines.append(f"  and {more} more that stand on them")
    return lines


def _row(one: dict[str, Any]) -> str:
    by = ", ".join(party["shown"] for party in one["cosigned_by"]) or "nobody"
    return (
        f"  @{one['height']} {one['id'][:12]}, emitted by {one['witness']['shown']} "
        f"{when(one['created_ms'])}, cosigned by {by}"
    )


def _selected(daemon: DaemonSource) -> dict[str, Any]:
    """What status says of the Common that the command means."""
    summary = daemon.ask("summary")
    for one in daemon.status()["commons"]:
        if one.get("head") == summary["head"]:
            return {**one, **summary}
    return summary
