"""NodeCore: one node of one Common, without its shell.

    step(input, now) -> Step        effects in order, and the answer of a command
    wake_at_ms                      when it next wants a Tick (monotonic ms), or None

How it works. Every input is handed to the part that it concerns; what is new is judged, written through the
store's open
transaction, and collected to be spread; at the end of the step the parts send what is due. The driver commits
before it carries out any effect (persist, then send). The core reads no clock, draws entropy only from the
function it
was given, and iterates nothing whose order is not fixed, so a seed reproduces a run to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import VERIFIER, Signed, Signer, Verifier, sign_statement
from aslp2p.artifacts.types import Action, Admit, Proposal, Put
from aslp2p.core.admission import Admission, Refusal
from aslp2p.core.audit import Audit
from aslp2p.core.catchup import Catchup
from aslp2p.core.chain import Chain
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.effects import Hints, Step
from aslp2p.core.inputs import (
    AddContent,
    ChangePolicy,
    Command,
    Endorse,
    Import,
    Input,
    LinkDown,
    LinkUp,
    Lost,
    MakeToken,
    MarkStale,
    Now,
    OwnAddresses,
    Pin,
    Propose,
    Received,
    Recover,
    Revoke,
    Rotate,
    Tick,
    Vouch,
    Withdraw,
)
from aslp2p.core.intake import Intake
from aslp2p.core.keyring import Keyring
from aslp2p.core.orders import Orders
from aslp2p.core.paper import Paper
from aslp2p.core.pending import Pending
from aslp2p.core.serve import serve_artifacts, serve_range
from aslp2p.core.spread import Spreader
from aslp2p.core.succession import Succession
from aslp2p.core.witness import Witness
from aslp2p.errors import PeerFault, UserError
from aslp2p.gossip.messages import (
    Addresses,
    AnyMessage,
    Content,
    GetContent,
    GetRange,
    Have,
    Heads,
    Neighbours,
    NoContent,
    OpenIds,
    Push,
    Range,
    Refused,
    Want,
    decode_message,
)
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.gate import AUTHORITY_ACTIONS, Tip
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.joining import META_PIN
from aslp2p.ledger.reader import DropArtifacts, DropContent, PutContent, PutMeta, Store
from aslp2p.ledger.state import is_admitted
from aslp2p.limits import (
    ADDRESSES_PER_MESSAGE_MAX,
    HEADS_INTERVAL_MS,
    HEADS_SPACING_MS,
    IDS_PER_MESSAGE_MAX,
    INLINE_CONTENT_BYTES_MAX,
    OPEN_DIGEST_BYTES,
    PEERS_MAX,
    PROTOCOL_VERSION,
    RECONCILE_SPACING_MS,
    SUSPEND_MS_MIN,
)

GUESTS_MAX = PEERS_MAX // 4
"""Links of keys that are no members."""


class NodeCore:
    """A node; see the module's text. Raises `UserError` for a command that is refused (nothing has changed
    then),
    and whatever the store raises."""

    def __init__(
        self,
        store: Store,
        *,
        common_id: bytes,
        signer: Signer,
        entropy: Callable[[int], bytes],
        verifier: Verifier = VERIFIER,
        auto: bool = False,
    ) -> None:
        self._context = context = Context(store, common_id, signer, entropy, verifier)
        if store.meta("genesis") is not None:
            context.open_ledger()
        self._pending = Pending(context)
        self._spreader = Spreader(context)
        self._contents = Contents(context)
        self._chain = Chain(context, self._pending, self._spreader, self._contents)
        self._catchup = Catchup(context, self._chain, self._contents)
        self._audit = Audit(context, self._chain, self._catchup)
        self._paper = Paper(context, self._pending)
        self._keyring = Keyring(context)
        self._witness = Witness(
            context,
            self._pending,
            self._paper,
            self._keyring,
            self._chain,
            self._contents,
            self._spreader,
            self._catchup,
            self._audit,
        )
        self._succession = Succession(
            context,
            self._pending,
            self._paper,
            self._keyring,
            self._chain,
            self._catchup,
            self._audit,
            self._witness,
            self._spreader,
            auto=auto,
        )
        self._orders = Orders(context, self._pending, self._paper, self._keyring, self._succession)
        self._intake = Intake(
            context,
            self._pending,
            self._paper,
            self._chain,
            self._contents,
            self._spreader,
            self._catchup,
            self._audit,
            self._succession,
        )
        self._admission = Admission(context)
        self._chain.listeners += [self, self._succession]
        self._chain.heard_own = self._succession.heard_own
        self._heads_due_ms: int | None = None
        self._clocks: Now | None = None
        self._addresses: tuple[str, ...] = ()
        self._told: tuple[object, ...] = ()
        self._refusals: dict[bytes, str] = {}

    # --- the step ---------------------------------------------------------------------------------

    def step(self, input_: Input, now: Now) -> Step:
        """Take one input at `now`; returns the effects and, for a command, its answer."""
        context = self._context
        context.now = now
        context.out = out = Step(durable=isinstance(input_, Command) and not isinstance(input_, Propose))
        self._watch_clocks()
        match input_:
            case Received():
                self._received(input_)
            case Tick():
                pass
            case LinkUp():
                self._link_up(input_)
            case LinkDown():
                self._link_down(input_.link)
            case OwnAddresses():
                self._addresses = input_.addresses[:ADDRESSES_PER_MESSAGE_MAX]
                self._tell_addresses(list(context.peers.values()))
            case Propose():
                out.answer = self._propose(input_.action, input_.pieces)
            case AddContent():
                self._add_content(input_.pieces)
            case MakeToken():
                out.answer = self._admission.make_token(input_)
            case Withdraw():
                out.answer = self._withdraw(input_.proposal)
            case Endorse():
                out.answer = self._orders.endorse(input_)
            case Rotate():
                out.answer = self._orders.rotate(input_)
            case Recover():
                out.answer = self._orders.recover(input_)
            case Revoke():
                out.answer = self._orders.revoke(input_)
            case ChangePolicy():
                out.answer = self._orders.change_policy(input_)
            case MarkStale():
                self._keyring.mark_stale(input_.reason)
            case Vouch():
                self._orders.vouch()
            case Pin():
                self._pin(input_.snapshot)
            case Import():
                out.answer = self._intake.imported(input_)
            case Lost():
                self._lost(input_.ids)
        self._finish(input_)
        return out

    @property
    def wake_at_ms(self) -> int | None:
        """When a Tick is due, on the monotonic clock; None when nothing is."""
        due = [self._witness.wake_at_ms, self._catchup.wake_at_ms, self._audit.wake_at_ms]
        due += [self._contents.wake_at_ms, self._chain.wake_at_ms, self._succession.wake_at_ms]
        due.append(self._heads_due_ms)
        times = [at for at in due if at is not None]
        return min(times) if times else None

    @property
    def head(self) -> Tip | None:
        """What this node follows; None before it has a genesis."""
        return self._context.ledger.head if self._context.founded else None

    def _watch_clocks(self) -> None:
        """After a start, or when the wall clock ran ahead of the monotonic one, this machine was away
        (S10)."""
        now, before = self._context.now, self._clocks
        self._clocks = now
        if before is None or (now.wall - before.wall) - (now.mono - before.mono) > SUSPEND_MS_MIN:
            self._witness.returned()

    def _pin(self, snapshot: bytes | None) -> None:
        self._context.must_last()
        self._context.store.apply([PutMeta(META_PIN, snapshot)])

    def _lost(self, ids: Sequence[bytes]) -> None:
        """Damaged in the store: forget what can be forgotten, and ask peers for all of it."""
        context = self._context
        contents = [id_ for id_ in ids if context.store.content_size(id_) is not None]
        context.store.apply([DropArtifacts(ids), *(DropContent(id_) for id_ in contents)])
        self._contents.want([(id_, False) for id_ in contents])
        self._audit.lost([id_ for id_ in ids if id_ not in contents])

    def _finish(self, input_: Input) -> None:
        """Send and start what is due, whatever the input was."""
        if isinstance(input_, Tick):
            self._succession.tick()
            self._witness.emit()
            self._audit.step()
            self._chain.expire()
            self._contents.expire()
            self._catchup.expire()
        if self._chain.orphans:
            self._chain.orphans.clear()
            self._catchup.consider()
        self._contents.poll()
        if self._context.founded:
            self._chain.share_evidence()
        self._spreader.flush()
        self._send_heads()

    # --- links ------------------------------------------------------------------------------------

    def _link_up(self, up: LinkUp) -> None:
        context = self._context
        if self._is_full_for(up.key):
            context.refuse(up.link, "full", "too many links")
            return
        try:
            action = self._admission.judge(up)
        except Refusal as refusal:
            context.refuse(up.link, refusal.code, refusal.text)
            return
        now, learned = context.now.mono, context.learned
        peer = Peer(up.link, up.key, up.name, up.address, up.initiator, now, learned)
        context.peers[up.link] = peer
        if action is not None:
            self._admit(action)
        self._want_genesis(peer)
        self._send_heads_to(peer)
        self._spreader.tell_neighbours()
        self._tell_addresses([peer])
        self._succession.links_changed()
        context.publish("peers", count=len(context.peers))

    def _is_full_for(self, key: bytes) -> bool:
        """Whether there is no room for a link to `key`; guests leave most of it to members."""
        context = self._context
        if context.founded and not context.is_member(key):
            guests = sum(not context.is_member(peer.key) for peer in context.peers.values())
            return guests >= GUESTS_MAX or len(context.peers) >= PEERS_MAX
        return len(context.peers) >= PEERS_MAX

    def _want_genesis(self, peer: Peer) -> None:
        if not self._context.founded:
            peer.expect(1)
            self._context.send(peer.link, Want((self._context.common_id,)))

    def _admit(self, admit: Admit) -> None:
        """Propose to let in a bearer of our token. What hinders it now does not later: when it links
        again."""
        actions = [proposal.statement.action for proposal in self._pending.proposals.values()]
        admits = [action for action in actions if isinstance(action, Admit)]
        if any(other.key == admit.key for other in admits):
            return
        try:
            self._propose(self._admission.renamed(admit, {other.name for other in admits}))
        except UserError as error:
            self._context.publish("notice", code="not-admitted", text=f"{admit.name}: {error}")

    def _link_down(self, link: int) -> None:
        context = self._context
        context.peers.pop(link, None)
        self._catchup.forget_link(link)
        self._contents.forget_link(link)
        self._spreader.tell_neighbours()
        self._succession.links_changed()
        context.publish("peers", count=len(context.peers))

    def _tell_addresses(self, peers: Sequence[Peer]) -> None:
        if self._addresses:
            for peer in peers:
                self._context.send(peer.link, Addresses(self._addresses))

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """Links of keys that are members no more end; whoever was let in on a token stays."""
        if change.new.members is change.old.members:
            return
        context = self._context
        context.publish("members", height=change.new.height)
        for peer in list(context.peers.values()):
            was = is_admitted(change.old.members, peer.key)
            if was and not is_admitted(change.new.members, peer.key):
                context.refuse(peer.link, "expelled", "this key is no member any more")

    # --- heads ------------------------------------------------------------------------------------

    def _heads(self) -> Heads:
        """Where this node stands, as far as it can prove it to others (audited)."""
        context = self._context
        digest = self._pending.open.digest()
        if not context.founded:
            return Heads(PROTOCOL_VERSION, bytes(32), 0, 0, 0, bytes(OPEN_DIGEST_BYTES))
        ledger = context.ledger
        head = ledger.head
        height = ledger.audited_height()
        id_ = head.id if height == head.height else ledger.id_at(head.branch, height) or head.id
        epoch = head.standing.epoch
        return Heads(PROTOCOL_VERSION, id_, height, epoch, ledger.final_height(), digest)

    def _stand(self) -> tuple[object, ...]:
        """Changes whenever `_heads` would."""
        context = self._context
        if not context.founded:
            return ()
        ledger = context.ledger
        return (ledger.head.id, ledger.audited_height(), self._pending.open.digest(), ledger.final_height())

    def _heads_at_ms(self, stand: tuple[object, ...]) -> int:
        return min(
            peer.heads_sent_ms + (HEADS_INTERVAL_MS if peer.told_heads == stand else HEADS_SPACING_MS)
            for peer in self._context.peers.values()
        )

    def _send_heads(self) -> None:
        """Tell where we stand to those who have not been told lately. When it is due for one, it is told to
        all for whom it soon is: so a quiet node wakes once in an interval, however many links it has."""
        context = self._context
        self._heads_due_ms = None
        if not context.peers:
            return
        now, stand = context.now.mono, self._stand()
        self._heads_due_ms = self._heads_at_ms(stand)
        if now < self._heads_due_ms:
            return
        message = self._heads()
        for peer in context.peers.values():
            quiet = peer.told_heads == stand
            spacing = HEADS_INTERVAL_MS // 2 if quiet else HEADS_SPACING_MS
            if now >= peer.heads_sent_ms + spacing:
                peer.heads_sent_ms, peer.told_heads = now, stand
                context.send(peer.link, message)
        self._heads_due_ms = self._heads_at_ms(stand)

    def _send_heads_to(self, peer: Peer) -> None:
        peer.heads_sent_ms, peer.told_heads = self._context.now.mono, self._stand()
        self._context.send(peer.link, self._heads())

    # --- messages ---------------------------------------------------------------------------------

    def _received(self, received: Received) -> None:
        context = self._context
        peer = context.peers.get(received.link)
        if peer is None:
            return
        try:
            message = decode_message(received.data)
            useless = self._message(peer, message)
        except PeerFault as fault:
            context.close(peer.link, fault.message, blame=True)
            return
        if useless and peer.useless(useless, context.now.mono, context.learned):
            context.close(peer.link, "a flood of what nobody needs", blame=True)

    def _message(self, peer: Peer, message: AnyMessage) -> int:
        """Handle one message; returns how much of it was of no use. Raises `PeerFault`."""
        context = self._context
        match message:
            case Heads():
                self._heard_heads(peer, message)
            case Push():
                return self._intake.pushed(peer.link, message.artifacts, message.contents)
            case Have():
                return self._heard_have(peer, message)
            case Want():
                serve_artifacts(context, self._pending, peer, message.ids)
            case OpenIds():
                return self._reconcile(peer, message)
            case GetRange():
                answer = serve_range(context, message) if context.founded else None
                context.send(peer.link, answer or Range(message.request, message.first, (), ()))
            case Range():
                return 0 if self._catchup.take(peer, message) else len(message.items) + 1
            case GetContent():
                self._contents.serve(peer, message.ids)
            case Content():
                return self._contents.take(peer, message.contents)
            case NoContent():
                self._contents.take_none(peer, message.ids)
            case Neighbours():
                peer.neighbours = frozenset(message.keys)
            case Addresses():
                context.out.effects.append(Hints(message.addresses))
            case Refused():
                self._refusals.pop(peer.key, None)
                self._refusals[peer.key] = message.text
                if len(self._refusals) > PEERS_MAX:
                    del self._refusals[next(iter(self._refusals))]
                context.publish("notice", code=message.code, text=message.text)
        return 0

    def _heard_heads(self, peer: Peer, heads: Heads) -> None:
        context = self._context
        if heads.protocol != PROTOCOL_VERSION:
            raise PeerFault(f"protocol {heads.protocol} is unknown here")
        self._refusals.pop(peer.key, None)
        if context.founded and peer.key in context.ledger.head.standing.authorities():
            self._witness.heard_authority()
        peer.head, peer.height, peer.epoch = heads.head, heads.height, heads.epoch
        peer.final_height = heads.final_height
        if heads.height and not context.founded:
            self._want_genesis(peer)
        self._catchup.consider()
        if not context.founded or self._catchup.holds_up:
            return
        if context.now.mono < peer.reconciled_ms + RECONCILE_SPACING_MS:
            return
        buckets = self._pending.open.differing(heads.open_digest)
        if buckets:
            peer.reconciled_ms = context.now.mono
            ids = self._pending.open.ids_in(buckets)
            while len(ids) > IDS_PER_MESSAGE_MAX and len(buckets) > 1:
                buckets = buckets[: len(buckets) // 2]
                ids = self._pending.open.ids_in(buckets)
            if len(ids) > IDS_PER_MESSAGE_MAX:  # another part of them each time
                start = context.draw(len(ids))
                ids = ids[start:] + ids[:start]
            peer.expect(IDS_PER_MESSAGE_MAX)
            context.send(peer.link, OpenIds(tuple(buckets), tuple(ids[:IDS_PER_MESSAGE_MAX])))

    def _reconcile(self, peer: Peer, message: OpenIds) -> int:
        """Ask for what only the peer has open, give what only we have; returns how useless the question was.

        What crossed this link before is not given again unasked: it is on its way, or was of no use there.
        """
        context = self._context
        now = context.now.mono
        if not context.founded:
            return 0
        if now < peer.served_open_ms + RECONCILE_SPACING_MS // 2:
            return 1 + len(message.ids) // 8
        peer.served_open_ms = now
        theirs = set(message.ids)
        missing = [id_ for id_ in message.ids if id_ not in self._pending.open]
        closed = context.store.artifacts(missing)
        self._ask_for(peer, [id_ for id_ in missing if id_ not in closed and self._chain.wants(id_)])
        if len(message.ids) < IDS_PER_MESSAGE_MAX:
            ours = self._pending.open.ids_in(message.buckets)
            new = [id_ for id_ in ours if id_ not in theirs and not peer.knows(id_)]
            serve_artifacts(context, self._pending, peer, new[:IDS_PER_MESSAGE_MAX])
        return 0

    def _ask_for(self, peer: Peer, ids: Sequence[bytes]) -> None:
        if ids:
            peer.expect(len(ids))
            self._context.send(peer.link, Want(tuple(ids)))

    def _heard_have(self, peer: Peer, message: Have) -> int:
        context = self._context
        for id_ in message.ids:
            peer.note_known(id_)
        missing = [id_ for id_ in message.ids if id_ not in self._pending.open]
        stored = context.store.artifacts(missing)
        wanted = [id_ for id_ in missing if id_ not in stored and self._chain.wants(id_)]
        if not context.founded:
            return 0
        self._ask_for(peer, wanted)
        return len(message.ids) - len(wanted)

    # --- commands ---------------------------------------------------------------------------------

    def _propose(self, action: Action, pieces: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
        context = self._context
        if not context.founded:
            raise UserError(
                "this machine has not received the Common yet", remedy="wait, and see: asl status"
            )
        if not context.is_member(context.key):
            raise UserError(
                "this machine is not admitted, so it cannot propose",
                remedy="see what it waits for: asl status",
            )
        if isinstance(action, AUTHORITY_ACTIONS):
            raise UserError(
                "a succession or policy change has a command of its own", remedy="see: asl --help"
            )
        if not self._pending.room_for(context.key):
            raise UserError(
                f"{self._pending.count_of(context.key)} proposals of this machine are pending already",
                remedy="wait until the witness is there: asl status",
            )
        content: bytes | None = None
        self._add_content(pieces)
        if isinstance(action, Put):
            if context.store.content_size(action.content) is None:
                raise UserError("the content of that put is not here", remedy="put the file again")
            if action.size <= INLINE_CONTENT_BYTES_MAX:
                content = context.store.content(action.content)
        statement = Proposal(context.common_id, max(0, context.now.wall), context.entropy(8), action)
        proposal = sign_statement(statement, context.signer)
        self._pending.add(proposal)
        self._spreader.add(proposal, content=content)
        return proposal.id

    def _add_content(self, pieces: Sequence[tuple[bytes, bytes]]) -> None:
        for id_, data in pieces:
            if content_id(data) != id_:
                raise UserError("content that is not what its id says", remedy="put the file again")
        if pieces:
            self._context.store.apply([PutContent(id_, data) for id_, data in pieces])
            self._contents.arrived += 1

    def _withdraw(self, proposal: bytes) -> bool:
        mine = self._pending.proposals.get(proposal)
        if mine is None or mine.key != self._context.key:
            return False
        self._pending.close([proposal])
        return True

    # --- what only the running node knows ---------------------------------------------------------

    def live(self) -> dict[str, Any]:
        """Links, progress and warnings, for status; keys and ids as bytes."""
        context = self._context
        founded = context.founded
        return {
            "founded": founded,
            "admitted": context.is_member(context.key),
            "peers": [
                {
                    "key": peer.key,
                    "name": context.name_of(peer.key) if context.is_member(peer.key) else peer.name,
                    "address": peer.address,
                    "initiator": peer.initiator,
                    "since_mono_ms": peer.since_ms,
                    "height": peer.height,
                    "head": peer.head,
                    "member": context.is_member(peer.key),
                }
                for peer in context.peers.values()
            ],
            "pending": len(self._pending.proposals),
            "pending_mine": self._pending.count_of(context.key),
            "catching_up_to": self._catchup.target_height,
            "audited_height": context.ledger.audited_height() if founded else 0,
            "fetching": dict(self._contents.progress()),
            "is_witness": self._witness.is_witness,
            "not_emitting_because": self._witness.idle_reason() if self._witness.is_witness else None,
            "refused_by": dict(self._refusals),
            "silent_ms": self._succession.silent_ms() if founded else 0,
            "mono_ms": context.now.mono,
            "watching": self._succession.silence.watching,
            "stale_reason": self._keyring.stale_reason(),
            "is_authority": founded and self._succession.is_authority,
            "hears_quorum": founded and self._succession.hears_quorum(),
            "authorities_connected": len(self._succession.connected_authorities()) if founded else 0,
            "conflict": context.ledger.conflict() if founded else None,
            "final_height": context.ledger.final_height() if founded else 0,
            "endorsed_epoch": self._keyring.endorsed_epoch(),
        }
