"""Taking artifacts in, whoever brings them: a peer's push, or a bundle that a person imports (section 10).

Both go through the same judgement and move the same trust. A peer that sends what no honest peer sends is at
fault (`PeerFault`); in a bundle the same is reported to the person, and the rest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

from msgspec import Struct

from aslp2p.artifacts.content import content_id, has_manifest
from aslp2p.artifacts.envelope import Signed, Verified, decode_artifact
from aslp2p.artifacts.types import (
    Beacon,
    Cosignature,
    Endorsement,
    Genesis,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Rejection,
    Revocation,
    Rotation,
    Snapshot,
    Statement,
)
from aslp2p.core.accounts import FEW, TURN_MS, Accounts
from aslp2p.core.auto_succession import AutoSuccession
from aslp2p.core.beacons import Beacons
from aslp2p.core.certificates import Certificates
from aslp2p.core.contents import unasked
from aslp2p.core.effects import Slow
from aslp2p.core.floors import Shared, Sync
from aslp2p.core.inputs import Import
from aslp2p.core.votes import Votes
from aslp2p.errors import ArtifactError, Incomplete, PeerFault, Rejected, UserError
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.history import found_common
from aslp2p.limits import INLINE_CONTENT_BYTES_MAX

_KNOWN_BATCH = 500


class RefusedArtifact(NamedTuple):
    """What an import did not take, why, and the first rule that it fails (empty where none has a name)."""

    id: bytes
    reason: str
    rule: str
    against: bytes


class Imported(Struct):
    """What became of a bundle's artifacts, in numbers, but for what was refused.

    `waiting` are ids of what has no place yet: what it stands on is not here. `useless` is what came too late
    to matter (overtaken successions, beacons).
    """

    new: int = 0
    known: int = 0
    useless: int = 0
    waiting: list[bytes] = []
    refused: list[RefusedArtifact] = []
    height_before: int = -1
    height_after: int = -1


class Intake:
    """The way in for artifacts."""

    def __init__(
        self,
        shared: Shared,
        sync: Sync,
        accounts: Accounts,
        certificates: Certificates,
        succession: AutoSuccession,
        votes: Votes,
        beacons: Beacons,
    ) -> None:
        self._context, self._pending, self._spreader = shared
        self._chain, self._contents, self._catchup, self._audit = sync
        self._accounts = accounts
        self._certificates = certificates
        self._succession = succession
        self._votes = votes
        self._beacons = beacons

    # --- from a peer ------------------------------------------------------------------------------

    def pushed(self, link: int, raws: Sequence[bytes], contents: Sequence[bytes]) -> int:
        """Take a push; returns how much of it was of no use. Raises `PeerFault`."""
        context = self._context
        if not raws:
            raise PeerFault("a push of nothing")
        signed = [decode_artifact(raw) for raw in raws]
        inline = {content_id(data): data for data in contents if len(data) <= INLINE_CONTENT_BYTES_MAX}
        peer = context.peers[link]
        useless = self._unnamed(contents, signed)
        for one in signed:
            peer.note_known(one.id)
            if isinstance(one.statement, Genesis):
                useless += not self._take_genesis(cast("Signed[Genesis]", one))
        if not context.founded:
            return useless
        proposals = [cast("Signed[Proposal]", one) for one in signed if isinstance(one.statement, Proposal)]
        useless += len(proposals) - self._take_proposals(proposals, inline, link)
        self._slow_down(peer.key, proposals)
        for one in signed:
            if not isinstance(one.statement, Proposal | Genesis):
                useless += not self._take(one, link)
        return useless

    def _slow_down(self, key: bytes, proposals: Sequence[Signed[Proposal]]) -> None:
        """Whoever proposes more than it has turns for is read no faster than those come. Others' proposals,
        which it passes on, are not on its account."""
        account = self._accounts.of(key)
        own = sum(self._accounts.of(one.key) == account for one in proposals)
        if own and self._accounts.waiting(account) > FEW and self._accounts.has_company(account):
            self._context.out.effects.append(Slow(account, own * TURN_MS // FEW))

    @staticmethod
    def _unnamed(contents: Sequence[bytes], signed: Sequence[Signed[Statement]]) -> int:
        """How useless the contents are that no put beside them names."""
        if not contents:
            return 0
        actions = [one.statement.action for one in signed if isinstance(one.statement, Proposal)]
        named = {action.content for action in actions if isinstance(action, Put)}
        return sum(unasked(data) for data in contents if content_id(data) not in named)

    def _take(self, one: Signed[Statement], link: int | None) -> bool:
        """Take one artifact that is neither genesis nor proposal; whether it was of use."""
        context = self._context
        statement = one.statement
        if getattr(statement, "common_id", None) != context.common_id:
            raise Rejected("V1", "an artifact of another Common", subject=one.id)
        match statement:
            case Snapshot():
                return self._take_snapshot(cast("Signed[Snapshot]", one), link)
            case Rejection():
                return self._take_rejection(cast("Signed[Rejection]", one), link)
            case Endorsement():
                return self._votes.take_endorsement(cast("Signed[Endorsement]", one), link)
            case Cosignature():
                return self._votes.take_cosignature(cast("Signed[Cosignature]", one), link)
            case Beacon():
                return self._beacons.take(cast("Signed[Beacon]", one), link)
            case _:
                return False

    def _take_genesis(self, genesis: Signed[Genesis]) -> bool:
        """A joiner receives the genesis that its invite names (the id pins it)."""
        context = self._context
        if context.founded or genesis.id != context.common_id:
            return False
        try:
            found_common(context.store, context.verifier.verify(genesis))
        except Rejected as refused:
            raise PeerFault(f"a genesis that cannot found a Common: {refused.message}") from None
        context.open_ledger()
        context.publish("head", height=0, id=genesis.id.hex(), fork=0, log_size=0)
        self._catchup.consider()
        return True

    def _take_proposals(
        self, proposals: Sequence[Signed[Proposal]], inline: Mapping[bytes, bytes], link: int | None
    ) -> int:
        """Keep those that may be pending; returns how many."""
        context = self._context
        # A rejection may overtake its proposal; opened then, it would stay open here for ever.
        answered = self._pending.rejections
        fresh = [one for one in proposals if one.id not in self._pending.open and one.id not in answered]
        if not fresh:
            return 0
        stored = context.store.artifact_rows([one.id for one in fresh])
        unanswered = self._chain.unanswered(list(stored))
        taken: list[Signed[Proposal]] = []
        copies: list[Signed[Proposal]] = []
        """Of what is listed and was not audited yet."""
        room: dict[bytes, int] = {}
        """By account, what is left."""
        repaired = 0
        for one in fresh:
            if self._audit.repair(one):
                repaired += 1
                continue
            if one.statement.common_id != context.common_id:
                raise Rejected("V7", "a proposal of another Common", subject=one.id)
            row = stored.get(one.id)
            known = row is not None and row.audited and one.id not in unanswered
            if known or one.id in self._pending.rejections or not context.is_member(one.key):
                continue  # a rejection may be here before what it rejects
            if row is not None and self._chain.lists(one.id):
                copies.append(one)
                continue
            account = self._accounts.of(one.key)
            if account not in room:
                room[account] = self._accounts.room(account)
            if room[account] > 0 and self._is_welcome(one):
                room[account] -= 1
                taken.append(one)
        self._chain.keep(context.verifier.verify_all(copies))
        repaired += len(copies)
        verified = context.verifier.verify_all(taken)
        self._pending.add(*verified)
        self._accounts.proposed(verified)
        wants: list[Verified[Proposal]] = []
        special = False
        for one in verified:
            content = self._note_content(one, inline, wants)
            self._spreader.add(one, content=content, source=link)
            if one.id in self._pending.special:
                special = True
                self._succession.noticed_proposal(one)
        self._contents.want_pending(wants)
        if verified or repaired:
            self._chain.proposals_came()
        if special:
            self._votes.retry_waiting()
        return len(verified) + repaired

    def _is_welcome(self, proposal: Signed[Proposal]) -> bool:
        action = proposal.statement.action
        if not isinstance(action, AUTHORITY_ACTIONS):
            return True
        relevant = self._certificates.is_relevant(proposal.statement, proposal.key)
        return relevant and self._certificates.room_for(proposal.key, action, proposal.id)

    def _note_content(
        self,
        proposal: Verified[Proposal],
        inline: Mapping[bytes, bytes],
        wants: list[Verified[Proposal]],
    ) -> bytes | None:
        """Keep or want the content of a put; what came along with it, to be passed on."""
        action = proposal.statement.action
        if not isinstance(action, Put):
            return None
        content = None if has_manifest(action.size) else inline.get(action.content)
        if content is not None:
            self._contents.keep(content)
        else:
            wants.append(proposal)
        return content

    def _take_snapshot(self, snapshot: Signed[Snapshot], link: int | None) -> bool:
        context = self._context
        if self._audit.repair(snapshot):
            return True
        if not self._chain.wants(snapshot.id):
            return False
        if snapshot.key == context.key:
            context.verifier.verify(snapshot)
            self._votes.saw_own_snapshot(snapshot.id, snapshot.statement.epoch)
        peer = context.peers.get(link) if link is not None else None
        statement = snapshot.statement
        if peer is not None:
            peer.tell_head(snapshot.id, statement.height, statement.epoch)
        if self._catchup.holds_up and statement.height > context.ledger.head.height + 1:
            return False
        follows = not self._chain.wants(statement.previous)
        self._chain.offer(snapshot, link)
        return follows

    def _take_rejection(self, rejection: Signed[Rejection], link: int | None) -> bool:
        """The witness's word that it will not list a proposal; anybody else's is of no use."""
        context = self._context
        statement = rejection.statement
        if rejection.key != context.ledger.head.standing.next_witness:
            return False
        if rejection.id in self._pending.open or context.store.artifact(rejection.id) is not None:
            return False
        verified = context.verifier.verify(rejection)
        mine = self._pending.proposals.get(statement.proposal)
        self._pending.add_rejection(verified)
        self._spreader.add(verified, source=link)
        if mine is not None and mine.key == context.key:
            context.publish(
                "proposal",
                id=statement.proposal.hex(),
                state="rejected",
                code=statement.code,
                text=statement.text,
            )
        return True

    # --- from a person ----------------------------------------------------------------------------

    def imported(self, bundle: Import) -> Imported:
        """Take a bundle. Its bytes are all decoded first: one that is no artifact refuses the whole
        (`UserError`)."""
        context = self._context
        try:
            signed = [decode_artifact(raw) for raw in bundle.artifacts]
        except ArtifactError as error:
            raise UserError(
                f"the bundle is damaged: {error.message}", remedy="copy it again from where it was made"
            ) from None
        report = Imported()
        founded = context.founded
        for one in signed:
            if isinstance(one.statement, Genesis):
                self._import_genesis(report, cast("Signed[Genesis]", one))
        if not context.founded:
            raise UserError(
                "the bundle lacks the genesis of this Common", remedy="import one that has it first"
            )
        report.height_before = context.ledger.head.height if founded else -1
        proposals = {
            one.id: cast("Signed[Proposal]", one) for one in signed if isinstance(one.statement, Proposal)
        }
        before = self._known_of(list(proposals))
        self._import_snapshots(signed, proposals, report)
        listed = self._known_of([id_ for id_ in proposals if id_ not in before])
        report.known += len(before)
        report.new += len(listed)
        for one in proposals.values():
            if one.id not in before and one.id not in listed:
                self._import(report, one, self._import_proposal)
        for other in signed:
            if not isinstance(other.statement, Proposal | Genesis | Snapshot):
                self._import(report, other, self._import_other)
        self._contents.bring(bundle.contents, bundle.manifests)
        report.height_after = context.ledger.head.height
        return report

    def _import_proposal(self, one: Signed[Statement]) -> bool:
        return self._take_proposals([cast("Signed[Proposal]", one)], {}, None) > 0

    def _import_other(self, one: Signed[Statement]) -> bool:
        return self._take(one, None)

    def _import_genesis(self, report: Imported, genesis: Signed[Genesis]) -> None:
        context = self._context
        if context.founded and genesis.id == context.common_id:
            report.known += 1
            return
        if genesis.id != context.common_id:
            report.refused.append(
                RefusedArtifact(genesis.id, "V9", "it founds another Common", context.common_id)
            )
            return
        try:
            report.new += self._take_genesis(genesis)
        except PeerFault as fault:
            raise UserError(fault.message, remedy="ask for another bundle") from None

    def _known_of(self, ids: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for first in range(0, len(ids), _KNOWN_BATCH):
            some = ids[first : first + _KNOWN_BATCH]
            found.update(id_ for id_ in some if id_ in self._pending.open)
            found.update(self._context.proven(some))
        return found

    def _is_known(self, id_: bytes) -> bool:
        return id_ in self._pending.open or id_ in self._context.proven([id_])

    def _import(
        self, report: Imported, one: Signed[Statement], take: Callable[[Signed[Statement]], bool]
    ) -> None:
        """Let `take` judge an artifact as if a peer had sent it, and see what has become of it."""
        if self._is_known(one.id):
            report.known += 1
            return
        try:
            take(one)
            if not (taken := self._is_known(one.id)):
                self._context.verifier.verify(one)
        except (PeerFault, Incomplete) as fault:
            _refuse(report, one, fault)
            return
        if taken:
            report.new += 1
        elif self._has_no_place_yet(one):
            report.waiting.append(one.id)
        else:
            report.useless += 1

    def _has_no_place_yet(self, one: Signed[Statement]) -> bool:
        """Whether what is not taken now may count once more of the history is here."""
        store, statement = self._context.store, one.statement
        match statement:
            case Endorsement() | Cosignature():
                return self._votes.waits(one.id)
            case Proposal():
                action = statement.action
                if isinstance(action, PolicyChange):
                    installed = store.artifact(action.replaces)
                    return installed is None and action.replaces != self._context.common_id
                if isinstance(action, Rotation | Recovery | Revocation):
                    return store.snapshot(action.base_id) is None
                return one.id not in self._pending.rejections and not self._context.is_member(one.key)
            case Rejection():
                refused = statement.proposal
                return refused in self._pending.proposals or store.artifact(refused) is None
        return False

    def _import_snapshots(
        self,
        signed: Sequence[Signed[Statement]],
        proposals: Mapping[bytes, Signed[Proposal]],
        report: Imported,
    ) -> None:
        context = self._context
        snapshots = sorted(
            (cast("Signed[Snapshot]", one) for one in signed if isinstance(one.statement, Snapshot)),
            key=lambda one: (one.statement.height, one.id),
        )
        for snapshot in snapshots:
            if context.store.snapshot(snapshot.id) is not None:
                report.known += 1
                continue
            try:
                if snapshot.key == context.key and snapshot.statement.common_id == context.common_id:
                    context.verifier.verify(snapshot)
                    self._votes.saw_own_snapshot(snapshot.id, snapshot.statement.epoch)
                ids = snapshot.statement.proposals
                listed = [proposals[id_] for id_ in ids if id_ in proposals]
                listed += self._chain.stored([id_ for id_ in ids if id_ not in proposals])
                try:
                    result = context.ledger.accept(snapshot, listed)
                except Incomplete:
                    context.verifier.verify(snapshot)
                    report.waiting.append(snapshot.id)
                    continue
            except (Rejected, ArtifactError) as refused:
                _refuse(report, snapshot, refused)
                continue
            if result is not None:
                report.new += 1
                self._spreader.add(result[0].snapshot)
                self._chain.settle([result[0]], result[1])


def _refuse(report: Imported, one: Signed[Statement], fault: PeerFault | Incomplete) -> None:
    rule = getattr(fault, "rule", "V9" if isinstance(fault, Incomplete) else "")
    reason = fault.message.removeprefix(f"{rule}: ")
    report.refused.append(RefusedArtifact(one.id, reason, rule, getattr(fault, "against", None) or b""))
