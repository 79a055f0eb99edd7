"""Forgers: artifacts that are flawless but for one rule, each of them a different one, told to each peer.

What a forger sends can never be accepted, so it needs no room among the liars that P1 counts: a node that
takes any of it has left out a check. Forged signatures are random bytes; where a forger signs with its own
key, it is something that everybody refuses. Every peer is told one thing at a time, for whoever notices
closes the link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from aslp2p.artifacts import canonical
from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, Verified, decode_artifact, sign_statement
from aslp2p.artifacts.types import (
    Admit,
    Cosignature,
    Endorsement,
    Expel,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Remove,
    Rotation,
    Snapshot,
)
from aslp2p.gossip.messages import Range, RangeItem, decode_message, encode_message, kind_of
from aslp2p.ledger.facts import PROPOSAL as PROPOSAL_FACT
from aslp2p.ledger.facts import entries_below, every_fact, subject_of
from aslp2p.ledger.gate import Tip
from simulations.keys import SeededKey
from simulations.liars import linked, new_proposal, tell

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

NOTHING = content_id(b"")
Lie = Callable[[], Sequence[bytes]]
Undo = Callable[[], None]


def forge(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """Each peer is told something else that a rule refuses."""
    for name in names:
        play.distrust(name, "forges what nobody may accept")
        node = play.world.nodes[name]
        head = play.head_of(name)
        if head is None:
            continue
        lies = _Forger(play, node, head).lies()
        play.random.shuffle(lies)
        for target in linked(play, name):
            # Some of them cannot be told here.
            if raws := next((raws for _ in range(len(lies)) if (raws := _next_of(lies)())), ()):
                empty = [b""] if any(NOTHING in raw for raw in raws) else []
                tell(play, name, [target], *raws, contents=empty)


def _next_of(lies: list[Lie]) -> Lie:
    """The next one, in turn."""
    lies.append(lies.pop(0))
    return lies[-1]


class _Forger:
    """What a key can forge at a head, by what it is there."""

    def __init__(self, play: Stage, node: Node, head: Tip) -> None:
        self._play = play
        self._node = node
        self._head = head
        self._authorities = sorted(head.standing.authorities())
        self._is_authority = node.key in self._authorities

    def lies(self) -> list[Lie]:
        """The lies that this key can tell here."""
        lies: list[Lie] = [
            self._snapshot_of_another, self._proposal_of_another, self._cosignatures, self._foreign,
            self._inside_a_file, self._weak_policy, self._endorsements,
        ]  # fmt: skip
        if self._is_authority:
            lies += [self._takeover_alone, self._takeover_with_forged_signatures]
        else:
            lies += [self._expels, self._admits]
        if self._head.standing.next_witness == self._node.key:
            lies += [
                self._wrong_root, self._wrong_size, self._twice, self._again, self._ahead, self._later_epoch,
                self._paper_alone, self._removes_nothing, self._overwrites, self._lists_inside_a_file,
                self._settles_nothing, self._policy_alone, self._certifies_a_put,
            ]  # fmt: skip
            if len(self._authorities) == 1 and self._is_authority:
                lies.append(self._hands_over_unasked)
        else:
            lies.append(self._usurps)
        return lies

    # --- making ------------------------------------------------------------------------------------

    def _proposal(self, action: Any) -> Verified[Proposal]:
        return new_proposal(self._play, self._node, action)

    def _put(self, path: str, expects: bytes | None = None) -> Verified[Proposal]:
        return self._proposal(Put(path, NOTHING, 0, "text/plain", False, 0, expects))

    def _next(self, *listed: Signed[Proposal]) -> Snapshot:
        """The statement of a snapshot that would follow, had its signer been appointed."""
        ids = tuple(one.id for one in listed)
        frontier, _ = self._head.frontier.extend(ids)
        wall = max(0, self._node.clock.now(self._play.world.now_ms).wall)
        return Snapshot(
            self._play.world.common_id, self._head.height + 1, self._head.id, self._head.standing.next_epoch,
            wall, ids, frontier.size, frontier.root(), None, None,
        )  # fmt: skip

    def _signed(self, statement: Snapshot, *beside: Signed[Proposal]) -> list[bytes]:
        return [*(one.raw for one in beside), sign_statement(statement, self._node.signer).raw]

    def _in_the_name_of(self, key: bytes, statement: Any) -> Signed[Any]:
        """`statement` with a signature that is none."""
        mine = sign_statement(statement, SeededKey("a forger's own"))
        return decode_artifact(canonical.encode([mine.type, mine.body, key, self._play.random.randbytes(64)]))

    def _any_path(self) -> str | None:
        store, head = self._node.store, self._head
        paths = [path for path, _, _ in entries_below(store, head.branch, head.height, "")]
        return self._play.random.choice(paths) if paths else None

    # --- by anybody --------------------------------------------------------------------------------

    def _snapshot_of_another(self) -> Sequence[bytes]:
        witness = self._head.standing.next_witness
        return [] if witness == self._node.key else [self._in_the_name_of(witness, self._next()).raw]

    def _usurps(self) -> Sequence[bytes]:
        put = self._put(f"forged/{self._play.serial()}")
        return self._signed(self._next(put), put)

    def _proposal_of_another(self) -> Sequence[bytes]:
        others = [key for key in sorted(self._head.members) if key != self._node.key]
        if not others:
            return []
        honest = self._put(f"forged/{self._play.serial()}")
        return [self._in_the_name_of(self._play.random.choice(others), honest.statement).raw]

    def _cosignatures(self) -> Sequence[bytes]:
        head = self._head
        if not head.height:
            return []
        statement = Cosignature(self._play.world.common_id, head.standing.epoch, head.height, head.id, 0)
        others = [key for key in self._authorities if key != self._node.key]
        return [self._in_the_name_of(key, statement).raw for key in others]

    def _foreign(self) -> Sequence[bytes]:
        elsewhere = replace(self._put("elsewhere").statement, common_id=self._play.random.randbytes(32))
        return [sign_statement(elsewhere, self._node.signer).raw]

    def _inside_a_file(self) -> Sequence[bytes]:
        path = self._any_path()
        return [] if path is None else [self._put(f"{path}/inside").raw]

    def _weak_policy(self) -> Sequence[bytes]:
        policy, installed = self._head.standing.policies[-1], self._head.standing.installed[-1].id
        weak = replace(policy, threshold=len(policy.witnesses) // 2)
        return [self._proposal(PolicyChange(weak, installed)).raw]

    def _expels(self) -> Sequence[bytes]:
        others = [
            key for key in sorted(self._head.members) if key not in (*self._authorities, self._node.key)
        ]
        return [self._proposal(Expel(self._play.random.choice(others))).raw] if others else []

    def _admits(self) -> Sequence[bytes]:
        if all(policy.participants == "invited" for policy in self._head.standing.policies):
            return []
        serial = self._play.serial()
        return [self._proposal(Admit(SeededKey(f"stranger {serial}").key, f"stranger {serial}", None)).raw]

    def _recovery(self) -> Verified[Proposal]:
        head = self._head
        epoch = head.standing.next_epoch + 1
        return self._proposal(Recovery(epoch, head.height, head.id, self._node.key, "", ()))

    def _forged_endorsements(self, proposal: Signed[Proposal], epoch: int) -> list[bytes]:
        statement = Endorsement(self._play.world.common_id, proposal.id, epoch, 0)
        others = [key for key in self._authorities if key != self._node.key]
        return [self._in_the_name_of(key, statement).raw for key in others]

    def _endorsements(self) -> Sequence[bytes]:
        if not self._is_authority:
            return []
        recovery = self._recovery()
        return [recovery.raw, *self._forged_endorsements(recovery, self._head.standing.next_epoch + 1)]

    # --- by an authority ---------------------------------------------------------------------------

    def _takeover(self, endorsements: Sequence[bytes], recovery: Verified[Proposal]) -> Sequence[bytes]:
        epoch = self._head.standing.next_epoch + 1
        statement = replace(self._next(recovery), epoch=epoch, certificate=tuple(endorsements))
        return self._signed(statement, recovery)

    def _takeover_alone(self) -> Sequence[bytes]:
        return self._takeover((), self._recovery())

    def _takeover_with_forged_signatures(self) -> Sequence[bytes]:
        recovery = self._recovery()
        forged = self._forged_endorsements(recovery, self._head.standing.next_epoch + 1)
        return self._takeover(forged, recovery) if forged else []

    # --- by the witness ----------------------------------------------------------------------------

    def _wrong_root(self) -> Sequence[bytes]:
        return self._signed(replace(self._next(), log_root=self._play.random.randbytes(32)))

    def _wrong_size(self) -> Sequence[bytes]:
        return self._signed(replace(self._next(), log_size=self._head.frontier.size + 1))

    def _twice(self) -> Sequence[bytes]:
        put = self._put(f"forged/{self._play.serial()}")
        return self._signed(self._next(put, put), put)

    def _again(self) -> Sequence[bytes]:
        """Something that is listed already."""
        facts = every_fact(self._node.store, self._head.branch, PROPOSAL_FACT, self._head.height)
        listed = [subject_of(key) for key, _ in facts]
        raw = self._node.store.artifact(self._play.random.choice(listed)) if listed else None
        if raw is None:
            return []
        return self._signed(self._next(decode_artifact(raw)))  # type: ignore[arg-type]

    def _ahead(self) -> Sequence[bytes]:
        return self._signed(replace(self._next(), height=self._head.height + 2))

    def _later_epoch(self) -> Sequence[bytes]:
        return self._signed(replace(self._next(), epoch=self._head.standing.next_epoch + 1))

    def _paper_alone(self) -> Sequence[bytes]:
        head = self._head
        rotation = Rotation(head.standing.next_epoch + 1, head.height, head.id, self._node.key, "")
        proposal = self._proposal(rotation)
        return self._signed(self._next(proposal), proposal)

    def _removes_nothing(self) -> Sequence[bytes]:
        remove = self._proposal(Remove(f"never/{self._play.serial()}", None))
        return self._signed(self._next(remove), remove)

    def _overwrites(self) -> Sequence[bytes]:
        put = self._put(f"forged/{self._play.serial()}", self._play.random.randbytes(32))
        return self._signed(self._next(put), put)

    def _lists_inside_a_file(self) -> Sequence[bytes]:
        path = self._any_path()
        if path is None:
            return []
        put = self._put(f"{path}/inside")
        return self._signed(self._next(put), put)

    def _settles_nothing(self) -> Sequence[bytes]:
        return [] if self._head.standing.joint else self._signed(replace(self._next(), settlement=()))

    def _policy_alone(self) -> Sequence[bytes]:
        installed = self._head.standing.installed[-1]
        change = self._proposal(PolicyChange(installed.policy, installed.id))
        return self._signed(replace(self._next(change), certificate=()), change)

    def _certifies_a_put(self) -> Sequence[bytes]:
        put = self._put(f"forged/{self._play.serial()}")
        return self._signed(replace(self._next(put), certificate=()), put)

    def _hands_over_unasked(self) -> Sequence[bytes]:
        """To a member that has not endorsed it, by the only authority there is (V4)."""
        head, node = self._head, self._node
        others = [key for key in sorted(head.members) if key != node.key]
        if not others:
            return []
        epoch = head.standing.next_epoch + 1
        rotation = Rotation(epoch, head.height, head.id, self._play.random.choice(others), "")
        proposal = self._proposal(rotation)
        mine = sign_statement(Endorsement(self._play.world.common_id, proposal.id, epoch, 0), node.signer)
        return self._signed(replace(self._next(proposal), certificate=(mine.raw,)), proposal)


# --- ranges ---------------------------------------------------------------------------------------


def tamper(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    """Serves history in which a signature was spoilt on the way (G4)."""
    for name in names:
        play.distrust(name, "spoils signatures")
        play.tampers.add(name)

    def undo() -> None:
        play.tampers.difference_update(names)

    return undo


def tampered(play: Stage, data: bytes) -> bytes:
    """A range with the signature of one snapshot spoilt, never the last one's; other messages as they are."""
    if kind_of(data) is not Range:
        return data
    message = decode_message(data)
    if not isinstance(message, Range) or len(message.items) < 2:
        return data
    place = play.random.randrange(len(message.items) - 1)
    one = decode_artifact(message.items[place].snapshot)
    raw = canonical.encode([one.type, one.body, one.key, play.random.randbytes(64)])
    items = list(message.items)
    items[place] = RangeItem(raw, items[place].proposals)
    return encode_message(replace(message, items=tuple(items)))
