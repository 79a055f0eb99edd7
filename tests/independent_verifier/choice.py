"""A second reading of docs/spec.md, sections 5 and 7: what is final, and which branch is followed.

Imports nothing of aslp2p. Everything is computed anew from all that is known, whenever something is learned.
"""

from __future__ import annotations

from itertools import combinations

from tests.independent_verifier.encoding import Refused
from tests.independent_verifier.records import Artifact, read
from tests.independent_verifier.verifier import PAPER, After, Common


class Follower:
    """A node that is told one artifact after the other, parents first, and follows one branch.

    `own` is its domain key, if it has one that counts: an authority stays where it is (F3), and what it
    cosigned says where its floor goes (F5a). `given` is the floor that it was given, by its id (section 11).
    """

    def __init__(self, genesis: bytes, own: bytes | None = None, given: bytes | None = None) -> None:
        self.common = Common(genesis)
        self.own = own
        self.given = given
        self.head = self.floor = self.common.accepted[self.common.id]
        self.endorsers: dict[bytes, set[bytes]] = {}
        """Whose endorsements counted for the certificate of a snapshot."""
        self.cosigned: list[tuple[bytes, After]] = []
        self.listed: dict[bytes, list[Artifact]] = {}

    # --- learning -------------------------------------------------------------------------------------

    def hear_snapshot(self, snapshot: bytes, proposals: list[bytes]) -> None:
        after = self.common.accept(snapshot, proposals)
        self.listed[after.id] = [read(raw, "proposal") for raw in proposals]
        fields = read(snapshot, "snapshot").fields
        signers = {read(raw, "endorsement").key for raw in fields["certificate"] or ()}
        self.endorsers[after.id] = signers - after.revoked()
        for raw in fields["settlement"] or ():
            self.keep_cosignature(raw, must_count=False)
        self.learned()

    def hear_cosignature(self, raw: bytes) -> None:
        """P2 where it counts for nothing."""
        self.keep_cosignature(raw, must_count=True)
        self.learned()

    def learned(self) -> None:
        """One function of floor, journal and what is known, until the floor rests."""
        if self.given in self.common.accepted:
            self.floor, self.given = self.common.accepted[self.given], None
        if self.given is None:
            while (change := self.next_floor()) is not None:
                self.floor = change
            self.head = self.choose()

    # --- the floor (F5, F5a) --------------------------------------------------------------------------

    def on_floor(self, node: After) -> bool:
        return self.floor in node.line()

    def next_change(self, node: After) -> After | None:
        """The lowest policy change of a line above the floor."""
        above = [one for one in node.line() if one.height > self.floor.height]
        changes = [one for one in above if one.change_height == one.height]
        return changes[-1] if changes and self.on_floor(node) else None

    def next_floor(self) -> After | None:
        mine = [self.next_change(node) for key, node in self.cosigned if key == self.own]
        part = [change for change in mine if change is not None]
        tops = self.tops()
        if len(tops) > 1:
            tops = [top for top in tops if any(change in top.line() for change in part)]
        change = self.next_change(tops[0]) if len(tops) == 1 else None
        return change if not part or change in part else None

    def keep_cosignature(self, raw: bytes, *, must_count: bool) -> None:
        found = read(raw, "cosignature")
        found.verify()
        if found.fields["common_id"] != self.common.id:
            raise Refused("V1", "another Common's")
        node = self.common.accepted[found.fields["snapshot"]]
        named = (found.fields["height"], found.fields["epoch"]) == (node.height, node.epoch)
        if named and found.key in node.authorities() - node.revoked():
            self.cosigned.append((found.key, node))
        elif must_count:
            raise Refused("P2", "its signer is no usable authority there")

    # --- what is final (section 7) --------------------------------------------------------------------

    def given_up(self, named: After, at: After) -> bool:
        """S9: whether an accepted certificate on the floor abandons `named`, or what it stands on, by keys
        that satisfy every policy in force at `at`."""
        line = {node.id for node in named.line()}
        return any(
            line & set(one.abandons)
            and self.on_floor(one)
            and all(policy.satisfied(self.endorsers[one.id] - at.revoked()) for policy in at.installed)
            for one in self.common.accepted.values()
        )

    def is_final(self, node: After) -> bool:
        if node == self.floor or not self.on_floor(node):
            return node == self.floor
        # What is given up is no cosignature of what it contains, either.
        signers = {
            key for key, named in self.cosigned if node in named.line() and not self.given_up(named, node)
        }
        return all(policy.satisfied(signers) for policy in node.installed)

    def finals(self) -> list[After]:
        return [node for node in self.common.accepted.values() if self.is_final(node)]

    def final(self) -> After:
        """The highest on the line of the head; while a given floor is waited for, nothing but genesis."""
        finals = [node for node in self.head.line() if self.is_final(node)]
        return max(finals, key=lambda node: node.height)

    def conflict(self) -> list[bytes]:
        """Two finals that exclude each other: the highest of their lines (F1)."""
        tops = self.tops() if self.given is None else []
        return sorted(node.id for node in tops) if len(tops) > 1 else []

    def tops(self) -> list[After]:
        """The finals that no other one contains."""
        finals = self.finals()
        return [one for one in finals if not any(one is not two and one in two.line() for two in finals)]

    # --- F3 -------------------------------------------------------------------------------------------

    def rivals(self, node: After) -> list[After]:
        """Other accepted snapshots of one signer, epoch and height; none without the floor (F5)."""
        return [
            other
            for other in self.common.accepted.values()
            if other.id != node.id
            and self.on_floor(node)
            and self.on_floor(other)
            and (other.signer, other.epoch, other.height) == (node.signer, node.epoch, node.height)
        ]

    def evidence(self) -> dict[tuple[int, bytes], tuple[int, list[bytes]]]:
        """By epoch and signer: the lowest height that it signed twice, and what it signed there."""
        found: dict[tuple[int, bytes], tuple[int, list[bytes]]] = {}
        for one, other in combinations(self.common.accepted.values(), 2):
            if one in self.rivals(other):
                reign = (one.epoch, one.signer)
                height, _ = found.get(reign, (one.height, []))
                if one.height <= height:
                    everything = sorted({one.id, *(rival.id for rival in self.rivals(one))})
                    found[reign] = (one.height, everything)
        return found

    def adopted(self, tip: After) -> After:
        """How far up the line of `tip` goes: cut at the first rival of the tip's signer in its epoch, or
        where it is final, if that is higher; an authority stays where it is."""
        line = tip.line()[::-1]
        reign = [one for one in line if (one.epoch, one.signer) == (tip.epoch, tip.signer)]
        cut = next((one.height for one in reign if self.rivals(one)), tip.height)
        final = max(one.height for one in line if self.is_final(one))
        here = self.head.height if self.stays() and self.head in line else 0
        return line[max(cut, final, here)]

    def stays(self) -> bool:
        return self.own in self.head.authorities()

    # --- F1 to F3 -------------------------------------------------------------------------------------

    def choose(self) -> After:
        nodes = list(self.common.accepted.values())
        parents = {node.parent.id for node in nodes if node.parent is not None}
        tips = [node for node in nodes if node.id not in parents]
        best = min(self.finals(), key=lambda node: (-node.height, node.id))
        lines = [(tip.epoch, self.adopted(tip)) for tip in tips if best in tip.line()]
        highest = max(epoch for epoch, _ in lines)
        tops = [top for epoch, top in lines if epoch == highest]
        if self.stays():
            tops = [top for top in tops if self.head in top.line()] or tops
        return _smallest(tops)

    # --- F4 -------------------------------------------------------------------------------------------

    def superseded(self) -> list[bytes]:
        """What the history left behind."""
        line = self.head.line()
        return sorted(
            node.id
            for node in self.common.accepted.values()
            if node not in line and self.head not in node.line()
        )

    def pending(self) -> list[bytes]:
        """What the line of the head does not list, of those who are members there; successions and policy
        changes are not taken up again. Who waits for a floor does not know what it will follow."""
        if self.given is not None:
            return []
        every = {one.id: one for proposals in self.listed.values() for one in proposals}
        return sorted(
            one.id
            for one in every.values()
            if one.id not in self.head.log
            and one.fields["action"]["name_of_action"] not in PAPER
            and self.head.status(one.key) == "admitted"
        )


def _smallest(tops: list[After]) -> After:
    """Up from genesis, at each fork where the smaller id is."""
    lines = [top.line()[::-1] for top in tops]
    at = 0
    while True:
        higher = [line for line in lines if len(line) > at + 1]
        if not higher:
            return lines[0][at]
        at += 1
        smallest = min(line[at].id for line in higher)
        lines = [line for line in higher if line[at].id == smallest]
