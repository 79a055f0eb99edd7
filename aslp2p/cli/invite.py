"""`asl invite`: let another machine in, by a short code, a QR code or a text."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from aslp2p.cli.group import Command, Group
from aslp2p.cli.output import note, say, say_json, table, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, existing_home, open_daemon
from aslp2p.errors import UsageError
from aslp2p.limits import INVITE_USES_MAX

QR_COLUMNS = 80
_QUIET_ZONE = 4
ADMITTED_S = 60.0


@click.group("invite", cls=Group, invoke_without_command=True)
@click.option(
    "--expires",
    default="7d",
    metavar="DURATION",
    show_default=True,
    help="How long the text is good, as in 30m, 24h, 7d; the code lives 15 minutes.",
)
@click.option(
    "--uses",
    type=click.IntRange(1, INVITE_USES_MAX),
    default=1,
    show_default=True,
    help="For how many machines.",
)
@click.option("--name", "called", default="", metavar="NAME", help="What the new machine is to be called.")
@click.option("--qr/--no-qr", default=None, help="A QR code too; by default on a terminal.")
@click.option(
    "--code/--no-code", default=None, help="A short code too, and wait for it; by default on a terminal."
)
@click.option("--yes", is_flag=True, help="Let whoever knows the code in without asking.")
@click.pass_context
def invite_command(
    context: click.Context,
    expires: str,
    uses: int,
    called: str,
    qr: bool | None,
    code: bool | None,
    yes: bool,
) -> None:
    """Let another machine in. Whoever has the text can join; the code works on one network, once, while this
    command runs: type `asl join CODE` on the other machine."""
    from aslp2p.ledger.duration import FORM, parse_duration

    if context.invoked_subcommand is not None:
        return
    settings = context.ensure_object(Settings)
    milliseconds = parse_duration(expires)
    if not milliseconds:
        raise UsageError(f"--expires {expires} is no duration", remedy=f"write {FORM}")
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with open_daemon(settings) as daemon:
        answer = daemon.call("invite", expires_ms=milliseconds, uses=uses, name=called)
        if not settings.json:
            _say_invite(answer, expires, uses, qr=on_terminal if qr is None else qr)
        if on_terminal if code is None else code:
            answer["paired"] = _pair(settings, daemon, answer, called, yes=yes)
    if settings.json:
        say_json(answer)


def _say_invite(answer: dict[str, Any], expires: str, uses: int, *, qr: bool) -> None:
    say(answer["invite"])
    if qr:
        for line in qr_lines(answer["invite"]):
            click.echo(line)
    machines = "one machine" if uses == 1 else f"{uses} machines"
    note(f"Good for {expires} and {machines}. On the other one: asl join {answer['invite'][:12]}…")
    note("It holds the Common's secret: give it only to whom it is meant for.")
    note(f"To take it back: asl invite revoke {answer['id'][:12]}")


def qr_lines(text: str, columns: int = QR_COLUMNS) -> list[str]:
    """The QR code of an invite, in lines of at most `columns`: with no more of its addresses left out than
    have to be, and no line where even that is too wide."""
    import io

    import segno

    from aslp2p.artifacts.invite import Invite

    invite = Invite.parse(text)
    for hints in range(len(invite.hints), -1, -1):
        shorter = replace(invite, hints=invite.hints[:hints]).encode()
        code = segno.make(shorter.upper(), error="l", micro=False)
        border = min(_QUIET_ZONE, int(columns - code.symbol_size(border=0)[0]) // 2)
        if border >= 1:
            out = io.StringIO()
            code.terminal(out, border=border, compact=True)
            return out.getvalue().splitlines()
    return []


def _pair(
    settings: Settings, daemon: DaemonSource, answer: dict[str, Any], called: str, *, yes: bool
) -> dict[str, Any] | None:
    """Show a code and let in whoever knows it; what was told of them, or null where the person ended it."""
    from aslp2p.artifacts.keys import key_text
    from aslp2p.cli.pairing import CALL_S, PairingOver, invite_by_code, offer, wait_for_member
    from aslp2p.control.client import Client
    from aslp2p.link.pairing import Welcome

    welcome = Welcome(daemon.ask("summary")["own_name"], answer["name"], called)
    with Client.of_home(str(existing_home(settings)), timeout_s=CALL_S) as client:
        line, code = offer(client)
        with line:
            (note if settings.json else say)(f"Code: {code}")
            note(f"On a machine of this network, within 15 minutes, for one try: asl join {code}")
            note("Ctrl-C ends the code; the text stays good.")
            try:
                joiner = invite_by_code(line, code, answer["invite"], welcome, yes=yes)
            except KeyboardInterrupt:
                note(f"The code is over. The text is good until {when(answer['expires_ms'])}.")
                return None
            except PairingOver as error:
                still = f"{error.message}; the text above is still good"
                raise PairingOver(still, remedy=error.remedy) from None
    member = wait_for_member(daemon, key_text(joiner.key), ADMITTED_S)
    name = joiner.name if member is None else member["name"]
    if settings.json:
        return {"name": name, "key": key_text(joiner.key), "admitted": member is not None}
    if member is None:
        note(f"{name} has the invite, and is not in yet: see asl members")
    else:
        say(f"{name} is in {answer['name']}.")
    return None


@invite_command.command("list", cls=Command)
@pass_settings
def invite_list_command(settings: Settings) -> None:
    """The invites that were made on this machine, and what became of them."""
    with open_daemon(settings) as daemon:
        answer = daemon.call("invite.list")
    if settings.json:
        say_json(answer)
        return
    if not answer["invites"]:
        note("No invite was made here; make one with: asl invite")
    rows = []
    for one in answer["invites"]:
        until = f"until {when(one['expires_ms'])}" if one["state"] == "open" else ""
        rows.append((one["id"][:12], one["name"], one["state"], f"{one['used']} of {one['uses']}", until))
    table(rows)


@invite_command.command("revoke", cls=Command)
@click.argument("invite_id", metavar="ID")
@click.option("--no-wait", is_flag=True, help="Do not wait for the witness.")
@pass_settings
def revoke_invite_command(settings: Settings, invite_id: str, no_wait: bool) -> None:
    """Let nobody in any more with the invite ID (or the invite itself), made here or by whoever you are an
    authority over."""
    from aslp2p.cli.people import propose

    propose(settings, "invite.revoke", "the invite is good for nobody", no_wait, invite=invite_id)
