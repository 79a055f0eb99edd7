"""The control methods of succession: rotate, recover, revoke, endorse, policy change, vouch.

Each turns names and the first digits of ids into keys and ids, asks the core, and answers with the proposal
and how far its paper has come. Whatever a person may not do is a `UserError`, and nothing has changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aslp2p.artifacts.keys import parse_id_prefix, parse_key
from aslp2p.artifacts.text import text_problem
from aslp2p.artifacts.types import PolicyChange
from aslp2p.core.inputs import ChangePolicy, Endorse, MoveFloor, Recover, Revoke, Rotate, Vouch
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.reader import Reader
from aslp2p.limits import EVIDENCE_MAX
from aslp2p.views.actions import action_from_json
from aslp2p.views.branches import abandoned_ids, evidence_ids
from aslp2p.views.floor import change_named, floor
from aslp2p.views.log import find
from aslp2p.views.pending import open_artifacts, open_certified
from aslp2p.views.people import member_key
from aslp2p.views.policy_change import compare
from aslp2p.views.view import View

if TYPE_CHECKING:
    from aslp2p.daemon.asked import AskedNode


class SuccessionMethods:
    """`node_of` finds the Common that a caller means, `view_of` reads its store for the asker."""

    def __init__(self, node_of: Callable[[str], AskedNode], view_of: Callable[[Reader], View]) -> None:
        self._node_of = node_of
        self._view_of = view_of

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {
            "rotate": self.rotate,
            "recover": self.recover,
            "revoke": self.revoke,
            "endorse": self.endorse,
            "policy.compare": self.policy_compare,
            "policy.propose": self.policy_propose,
            "vouch": self.vouch,
            "floor.move": self.floor_move,
        }

    async def rotate(self, member: str, reason: str = "", common: str = "") -> dict[str, Any]:
        """The witness asks to hand over to `member` (a name or a key)."""
        node = self._node_of(common)
        key = await node.query(lambda reader: member_key(self._view_of(reader), member))
        return await self._asked(node, Rotate(key, _reason(reason)))

    async def recover(
        self,
        reason: str = "",
        witness: str = "",
        abandons: list[str] | None = None,
        check: bool = False,
        common: str = "",
    ) -> dict[str, Any]:
        """An authority asks for a new witness, itself unless `witness` names another; with `check` only
        whether the words have a meaning here."""
        node = self._node_of(common)
        key, given_up = await node.query(lambda reader: self._appointed(reader, witness, abandons or []))
        if check:
            return {}
        return await self._asked(node, Recover(_reason(reason), key, given_up))

    async def revoke(
        self,
        member: str,
        reason: str = "",
        evidence: list[str] | None = None,
        witness: str = "",
        abandons: list[str] | None = None,
        check: bool = False,
        common: str = "",
    ) -> dict[str, Any]:
        """An authority asks to end the key of `member` for good; with `check` only whether the words have a
        meaning here."""
        node = self._node_of(common)

        def meant(reader: Reader) -> tuple[bytes, tuple[bytes, ...], bytes | None, tuple[bytes, ...]]:
            view = self._view_of(reader)
            proofs = evidence_ids(view, evidence or [])
            return member_key(view, member), proofs, *self._appointed(reader, witness, abandons or [])

        revoked, proofs, key, given_up = await node.query(meant)
        if len(proofs) > EVIDENCE_MAX:
            raise UsageError(f"more evidence than {EVIDENCE_MAX} snapshots", remedy="name one pair")
        if check:
            return {}
        return await self._asked(node, Revoke(revoked, _reason(reason), proofs, key, given_up))

    async def endorse(self, id: str, common: str = "") -> dict[str, Any]:
        """Endorse the open succession or policy change whose id begins with the digits `id`."""
        node = self._node_of(common)
        proposal = await node.query(lambda reader: _open_special(self._view_of(reader), id))
        before = await self._state(node, proposal)
        await node.command(Endorse(proposal))
        after = await self._state(node, proposal)
        already = bool(before["open"] and before["paper"]["endorsed"])
        return {**(after if after["open"] else {**before, "open": False}), "already": already}

    async def policy_compare(self, policy: dict[str, Any], common: str = "") -> dict[str, Any]:
        """What `policy` would change and risk; nothing is proposed."""
        node = self._node_of(common)
        return await self._compared(node, policy)

    async def policy_propose(
        self, policy: dict[str, Any], risks: list[str] | None = None, common: str = ""
    ) -> dict[str, Any]:
        """Propose `policy`; what it risks has to be named in `risks`."""
        node = self._node_of(common)
        compared = await self._compared(node, policy)
        accepted = set(risks or [])
        for risk in compared["risks"]:
            if risk["code"] not in accepted:
                raise UserError(risk["text"], remedy=f"if that is meant, add: --risk {risk['code']}")
        change = _policy_change(policy, compared["replaces"])
        return {**await self._asked(node, ChangePolicy(change.policy)), "changes": compared["words"]}

    async def vouch(self, common: str = "") -> dict[str, Any]:
        """The owner of a Common with one authority says that the signing journal is whole (S11)."""
        await self._node_of(common).command(Vouch())
        return {}

    async def floor_move(self, id: str, common: str = "") -> dict[str, Any]:
        """A person moves the floor to the policy change, or genesis, whose id begins with the digits `id`."""
        node = self._node_of(common)
        to = await node.query(lambda reader: change_named(self._view_of(reader), id))
        await node.command(MoveFloor(to.id))
        return await node.query(lambda reader: floor(self._view_of(reader)))

    # --- shared -----------------------------------------------------------------------------------

    async def _compared(self, node: AskedNode, policy: dict[str, Any]) -> dict[str, Any]:
        change = _policy_change(policy, "00" * 32)
        linked = frozenset(parse_key(link["key"]) for link in node.live().get("links", []))
        return await node.query(lambda reader: compare(self._view_of(reader), change.policy, linked))

    def _appointed(
        self, reader: Reader, witness: str, abandons: list[str]
    ) -> tuple[bytes | None, tuple[bytes, ...]]:
        view = self._view_of(reader)
        return member_key(view, witness) if witness else None, abandoned_ids(view, abandons)

    async def _asked(
        self, node: AskedNode, command: Rotate | Recover | Revoke | ChangePolicy
    ) -> dict[str, Any]:
        proposal: bytes = await node.command(command)
        return await self._state(node, proposal)

    async def _state(self, node: AskedNode, proposal: bytes) -> dict[str, Any]:
        """The open paper as `proposals` has it, or only its id once it is open no more."""

        def state(reader: Reader) -> dict[str, Any]:
            view = self._view_of(reader)
            for one in open_certified(view, open_artifacts(view)):
                if one["id"] == proposal.hex():
                    return {**one, "open": True}
            return {"id": proposal.hex(), "open": False}

        answer = await node.query(state)
        return {**answer, "proposal": proposal.hex()}


def _reason(text: str) -> str:
    if problem := text_problem(text):
        raise UsageError(f"this cannot be the reason: it is {problem}", remedy="write one line of words")
    return text


def _policy_change(policy: dict[str, Any], replaces: str) -> PolicyChange:
    change = action_from_json({"kind": "policy-change", "policy": policy, "replaces": replaces})
    assert isinstance(change, PolicyChange)  # noqa: S101 - of the kind asked for
    return change


def _listed_at(view: View, digits: str) -> int | None:
    try:
        found = find(view, digits)
    except UserError:
        return None
    return found["height"] if found["kind"] == "proposal" else None


def _open_special(view: View, digits: str) -> bytes:
    first, last = parse_id_prefix(digits)
    found = open_artifacts(view).proposals
    ids = [id_ for id_ in found if first <= id_ <= last]
    if not ids:
        if (height := _listed_at(view, digits)) is not None:
            raise UserError(
                f"that is in the history since @{height}", remedy=f"see who endorsed it: asl show @{height}"
            )
        raise UserError(f"no open proposal begins with {digits}", remedy="see what is open: asl proposals")
    if len(ids) > 1:
        raise UsageError(f"{len(ids)} open proposals begin with {digits}", remedy="write more digits")
    return ids[0]
