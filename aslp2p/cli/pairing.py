"""The two commands of a pairing, over the control socket: what they say, show and ask (`link/pairing.py`)."""

from __future__ import annotations

import base64
import os
import time
from contextlib import suppress
from typing import Any

import click

from aslp2p.artifacts.pairing_code import SECRET_BYTES, PairingCode
from aslp2p.cli.confirm import confirm
from aslp2p.cli.output import note
from aslp2p.control.client import Client
from aslp2p.errors import AslError, UserError
from aslp2p.limits import PAIRING_CODE_S
from aslp2p.link.pairing import InviterSide, Joiner, JoinerSide, Welcome, WrongCode

ANSWER_S = 30.0
"""How long the other command may take for what needs no person."""
PATIENCE_S = PAIRING_CODE_S + ANSWER_S
CALL_S = 60.0
"""For one question to the daemon: finding the other machine takes the longest."""


class PairingOver(UserError):
    """The code is good for nothing any more, and nobody was let in by it."""

    code = "pairing"


class PairingLine:
    """One pairing in the daemon; closed when the block ends, and its code with it."""

    def __init__(self, client: Client, pairing: int) -> None:
        self._client = client
        self._pairing = pairing

    def __enter__(self) -> PairingLine:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(AslError):  # over already, or the daemon is gone
            self._client.call("pairing.close", pairing=self._pairing)

    def send(self, message: bytes) -> None:
        """Have a message carried. Raises `PairingOver`."""
        try:
            data = base64.b64encode(message).decode("ascii")
            self._client.call("pairing.send", pairing=self._pairing, message=data)
        except UserError as error:
            raise PairingOver(error.message, remedy=_AGAIN) from None

    def receive(self, patience_s: float = ANSWER_S) -> bytes:
        """The next message. Raises `PairingOver` when none will come, or none came in time."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            answer = self._client.call("pairing.next", pairing=self._pairing)
            if answer["message"] is not None:
                return base64.b64decode(answer["message"])
            if answer["over"]:
                raise PairingOver(answer["over"], remedy=_AGAIN)
        raise PairingOver("the other side did not answer in time", remedy=_AGAIN)


_AGAIN = "make another code: asl invite"


def offer(client: Client) -> tuple[PairingLine, PairingCode]:
    """A new code, open on this machine. Its words are made here and go nowhere but to the screen."""
    answer = client.call("pairing.offer")
    return PairingLine(client, answer["pairing"]), PairingCode.make(
        answer["number"], os.urandom(SECRET_BYTES)
    )


def invite_by_code(
    line: PairingLine, code: PairingCode, invite: str, welcome: Welcome, *, yes: bool
) -> Joiner:
    """Wait for the one who was told `code`, and give them `invite` once the person here says yes.

    Raises `PairingOver`: a wrong guess, a no, or nobody in time.
    """
    side = InviterSide(code, os.urandom)
    first = line.receive(PATIENCE_S)
    try:
        line.send(side.answer(first))
        joiner = side.hear(line.receive())
    except WrongCode:
        raise PairingOver(
            "somebody tried this code with wrong words, so it is over: a code is good for one guess",
            remedy=f"if it was a slip of yours, {_AGAIN}; if not, somebody on this network is guessing",
        ) from None
    line.send(side.welcome(welcome))
    note(f"{joiner.name} wants to join {welcome.common}. On both screens: {' '.join(side.words())}")
    try:
        confirm(f"Are these words on the screen of {joiner.name}, and is it to be let in?", [], yes=yes)
    except (click.Abort, UserError):
        line.send(side.give(""))
        raise
    line.send(side.give(invite))
    return joiner


def join_by_code(client: Client, code: PairingCode, joiner: Joiner, peer: str) -> tuple[str, Welcome]:
    """The invite of whoever shows `code`, on this network or at `peer`, and what they said.

    Raises `PairingOver`: wrong words, a no, nobody there.
    """
    side = JoinerSide(code, os.urandom)
    with PairingLine(client, client.call("pairing.call", number=code.number, peer=peer)["pairing"]) as line:
        line.send(side.begin())
        try:
            line.send(side.introduce(line.receive(), joiner))
            welcome = side.hear(_hear_or_wrong(line))
            note(f"{welcome.name} invites this machine ({joiner.name}) into {welcome.common}.")
            note(f"On both screens: {' '.join(side.words())}")
            note(f"Waiting until {welcome.name} says yes.")
            invite = side.take(line.receive(PATIENCE_S))
        except WrongCode:
            raise PairingOver(
                "the words are not those of that code, or somebody is in between; the code is over",
                remedy=_AGAIN + " there",
            ) from None
    if not invite:
        raise PairingOver(f"{welcome.name} said no", remedy=_AGAIN + " there")
    return invite, welcome


def _hear_or_wrong(line: PairingLine) -> bytes:
    """Who made the code ends it without a word when ours were wrong."""
    try:
        return line.receive()
    except PairingOver:
        raise WrongCode() from None


def wait_for_member(daemon: Any, key: str, patience_s: float) -> dict[str, Any] | None:
    """The member with `key`, once it is one; None if that takes longer."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        for member in daemon.ask("members")["members"]:
            if member["key"] == key and member["status"] == "admitted":
                return dict(member)
        time.sleep(LOOK_S)
    return None


LOOK_S = 0.2
