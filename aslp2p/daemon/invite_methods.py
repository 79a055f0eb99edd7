"""Methods of the control socket about invites: made here, what became of them, taken back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from aslp2p.artifacts.invite import PREFIX, GivenFloor, Hint, Invite
from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.token import invite_id
from aslp2p.artifacts.types import RevokeInvite
from aslp2p.core.inputs import MakeToken
from aslp2p.daemon.proposing import propose
from aslp2p.errors import ArtifactError, UsageError, UserError
from aslp2p.home import Home
from aslp2p.home.invites import MadeInvite, keep_invite, load_invites
from aslp2p.ledger.floor import read_floor
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.reader import Reader
from aslp2p.limits import INVITE_HINTS_MAX
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.invites import invites
from aslp2p.views.people import require_name
from aslp2p.views.view import View

if TYPE_CHECKING:
    from aslp2p.daemon.asked import AskedNode

LASTS_MS = 7 * 86_400_000


class InviteMethods:
    """`node_of` finds the Common that a caller means, `view_of` reads its store for the asker."""

    def __init__(
        self, home: Home, node_of: Callable[[str], AskedNode], view_of: Callable[[Reader], View]
    ) -> None:
        self._home = home
        self._node_of = node_of
        self._view_of = view_of

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {"invite": self.invite, "invite.list": self.list, "invite.revoke": self.revoke}

    async def invite(
        self, common: str = "", expires_ms: Uint = LASTS_MS, uses: Uint = 1, name: str = ""
    ) -> dict[str, Any]:
        """A new invite; `expires_ms` is how long it is good from now on, `uses` for how many machines, `name`
        for whom it is."""
        if name and (problem := name_problem(name)):
            raise UsageError(
                f"no machine can be called that: it is {problem}", remedy="choose another --name"
            )
        require_name(name)
        node = self._node_of(common)
        made_ms = int(time.time() * 1000)
        until_ms = made_ms + expires_ms
        token = await node.command(MakeToken(until_ms, uses))
        belonging = await node.query(read_belonging)
        if belonging is None:
            raise UserError("this Common is not whole here yet", remedy="try again when it is")
        made = MadeInvite(invite_id(token).hex(), made_ms, until_ms, uses, name)
        await trio.to_thread.run_sync(keep_invite, self._folder(node), made)
        hints = tuple(map(_hint, node.live().get("addresses", [])[:INVITE_HINTS_MAX]))
        floor = await node.query(read_floor)
        given = GivenFloor(floor.height, floor.id) if floor is not None and floor.height else None
        invite = Invite(node.id, belonging.name, belonging.network_secret, token, hints, given)
        return {
            "invite": invite.encode(),
            "id": made.id,
            "name": belonging.name,
            "expires_ms": until_ms,
            "uses": uses,
        }

    async def list(self, common: str = "") -> dict[str, Any]:
        """The invites that were made here, oldest first, and what became of them."""
        node = self._node_of(common)
        made = await trio.to_thread.run_sync(load_invites, self._folder(node))
        ids = [one.id for one in made]
        states = (await node.query(lambda reader: invites(self._view_of(reader), ids)))["invites"]
        now_ms = int(time.time() * 1000)
        return {
            "invites": [
                {
                    "id": one.id,
                    "name": one.name,
                    "made_ms": one.made_ms,
                    "expires_ms": one.expires_ms,
                    "uses": one.uses,
                    "used": state["used"],
                    "state": _state(one, state, now_ms),
                }
                for one, state in zip(made, states, strict=True)
            ]
        }

    async def revoke(self, invite: str, common: str = "") -> dict[str, Any]:
        """End an invite: its id, the first digits of one that was made here, or the invite itself."""
        node = self._node_of(common)
        if invite.lower().startswith(PREFIX):
            try:
                id_ = invite_id(Invite.parse(invite).token)
            except ArtifactError:
                raise UsageError("that invite has no token to revoke") from None
        else:
            made = await trio.to_thread.run_sync(load_invites, self._folder(node))
            known = [one.id for one in made if invite and one.id.startswith(invite.lower())]
            id_ = parse_id(known[0] if len(known) == 1 else invite, "invite")
        return await propose(node, RevokeInvite(id_))

    def _folder(self, node: AskedNode) -> Path:
        return self._home.common_folder(node.id)


def _state(made: MadeInvite, state: dict[str, Any], now_ms: int) -> str:
    if state["revoked"]:
        return "revoked"
    if state["used"] >= made.uses:
        return "used"
    return "expired" if made.expires_ms <= now_ms else "open"


def _hint(address: str) -> Hint:
    host, _, port = address.rpartition(":")
    return Hint(host.removeprefix("[").removesuffix("]"), int(port))
