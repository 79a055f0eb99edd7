"""NodeCore: one node of one Common, without its shell.

    step(input, now) -> Step        effects in order, and the answer of a command
    wake_at_ms                      when it next wants a Tick (monotonic ms), or None

How it works. Every input is handed to the part that it concerns; what is new is judged, written through the
store's open transaction, and collected to be spread; at the end of the step the parts send what is due. The
driver commits before it carries out any effect (persist, then send). The core reads no clock, draws entropy
only from the function it was given, and iterates nothing whose order is not fixed, so a seed reproduces a run
to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aslp2p.artifacts.envelope import VERIFIER, Signed, Signer, Verifier
from aslp2p.artifacts.types import Proposal
from aslp2p.core.admission import Refusal
from aslp2p.core.context import Context
from aslp2p.core.effects import Hints, Slow, Step
from aslp2p.core.inputs import (
    AddContent,
    AddStaged,
    AskHolders,
    Came,
    ChangePolicy,
    Command,
    DecideKeep,
    Dismiss,
    Endorse,
    Event,
    Fetch,
    HeardHolders,
    HowPruned,
    Import,
    Input,
    KeepCommand,
    LinkDown,
    LinkUp,
    Lost,
    MakeToken,
    MarkStale,
    MoveFloor,
    Now,
    OwnAddresses,
    PinPaths,
    Propose,
    Prune,
    ReadAt,
    Received,
    Recover,
    Revoke,
    Rotate,
    Tick,
    Vouch,
    Withdraw,
)
from aslp2p.core.places import Places
from aslp2p.core.serve import serve_artifacts, serve_range
from aslp2p.core.tolls import Toll, blocks, pause_ms, price
from aslp2p.core.wiring import Wiring
from aslp2p.errors import AslError, PeerFault
from aslp2p.gossip.messages import (
    NO_ROOM,
    Addresses,
    AnyMessage,
    AskHolding,
    Content,
    DuplicateKey,
    GetContent,
    GetRange,
    Have,
    Heads,
    Holding,
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
from aslp2p.ledger.floor import read_floor
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.joining import META_DISMISSED, META_LINKED, META_PIN
from aslp2p.ledger.keeping import KEEP_ALL, Keep
from aslp2p.ledger.reader import DropArtifacts, DropContent, PutMeta, Store
from aslp2p.ledger.state import is_admitted
from aslp2p.limits import (
    ADDRESSES_PER_MESSAGE_MAX,
    ID_BYTES,
    PEERS_MAX,
    SUSPEND_MS_MIN,
)

SLOW_CODE = "slow"
FLOOD = "it asks for the same again and again"
SLOWED = (
    "this machine asks for the same again and again: it is answered slowly now, and not at all if it goes on"
)

FLOOD_OF_USELESS = "a flood of what nobody needs"
SHUT_OUT = ("expelled", "revoked", "not-a-member")
"""Codes of `Refused` that say that the other side will keep no link with this key."""
IDS_PER_TOKEN = 64
"""Looked up."""
LOOKS_PER_TOKEN = 256
"""Pieces that are looked for to say what is held."""


class NodeCore(Wiring):
    """A node; see the module's text. Raises `UserError` for a command that is refused (nothing has changed
    then), and whatever the store raises.

    `apart`: nobody can be heard, as this is no daemon. A witness that was ever linked with another machine
    does not emit then (S10). `keep`: what this machine keeps, unless people typed otherwise for this
    Common."""

    def __init__(  # noqa: PLR0913 - what a machine is, and what its owner decided
        self,
        store: Store,
        *,
        common_id: bytes,
        signer: Signer,
        entropy: Callable[[int], bytes],
        verifier: Verifier = VERIFIER,
        auto: bool = False,
        apart: bool = False,
        keep: Keep = KEEP_ALL,
    ) -> None:
        context = Context(store, common_id, signer, entropy, verifier)
        super().__init__(context, auto=auto, apart=apart, keep=keep)
        self._floor = read_floor(store)
        """As it was on disk after the last step."""
        self._unsure: set[int] = set()
        """Links that nobody here could judge when they came up, or of guests that are listened to."""
        self._places = Places(context, self._accounts, self._every_peer)
        self._clocks: Now | None = None
        self._addresses: tuple[str, ...] = ()
        self._refusals: dict[bytes, Refused] = {}
        self._ranked: tuple[object, ...] = ()

    # --- the step ---------------------------------------------------------------------------------

    def step(self, input_: Input, now: Now) -> Step:
        """Take one input at `now`; returns the effects and, for a command, its answer."""
        context = self._context
        context.now = now
        context.out = out = Step(durable=isinstance(input_, Command) and not isinstance(input_, Propose))
        if self._clocks is None:
            self._reconsider()
            self._keeping.begin()
        self._watch_clocks()
        if isinstance(input_, Command):
            out.answer = self._obey(input_)
        else:
            self._hear(input_)
        self._finish(input_)
        return out

    def _hear(self, event: Event) -> None:
        """What comes from links, and from whoever runs this node."""
        match event:
            case Received():
                self._received(event)
            case Came():
                self._came(event)
            case Tick():
                pass
            case LinkUp():
                self._link_up(event)
            case LinkDown():
                self._link_down(event.link)
            case OwnAddresses():
                self._addresses = event.addresses[:ADDRESSES_PER_MESSAGE_MAX]
                self._tell_addresses(list(self._context.peers.values()))
            case MarkStale():
                self._promises.mark_stale(event.reason)
            case Lost():
                self._lost(event.ids)

    def _obey(self, command: Command) -> Any:
        """Carry out what the person here wants; returns its answer, if it has one."""
        match command:
            case Propose():
                return self._author.propose(command.action, command.pieces, command.staged)
            case AddContent():
                self._author.add_content(command.pieces)
            case AddStaged():
                self._author.add_staged(command.staged)
            case MakeToken():
                return self._admission.make_token(command)
            case Withdraw():
                return self._withdraw(command.proposal)
            case Endorse():
                return self._requests.endorse(command)
            case Rotate():
                return self._requests.rotate(command)
            case Recover():
                return self._requests.recover(command)
            case Revoke():
                return self._requests.revoke(command)
            case ChangePolicy():
                return self._requests.change_policy(command)
            case Vouch():
                self._requests.vouch()
            case MoveFloor():
                self._chain.move_floor(command.snapshot)
                self._floor = self._context.ledger.floor
                self._succession.close_what_is_over()
            case ReadAt():
                self._pin(command.snapshot)
            case Dismiss():
                self._dismiss(command.proposals)
            case Import():
                return self._intake.imported(command)
            case _:
                return self._keep(command)
        return None

    def _keep(self, command: KeepCommand) -> Any:
        """What is to stay on this machine."""
        match command:
            case DecideKeep():
                self._keeping.decide(command.keep)
            case PinPaths():
                self._keeping.pin(command.pins)
            case Prune():
                self._keeping.prune(dry=command.dry)
            case HowPruned():
                return self._keeping.live()
            case Fetch():
                self._keeping.fetch(command.contents)
            case AskHolders():
                self._keeping.holders.ask_for_person(command.content)
            case HeardHolders():
                return self._keeping.answers(command.content)
        return None

    @property
    def withholds(self) -> bool:
        """Whether there is something to emit that waits until somebody was heard (S10)."""
        return self._witness.withholds

    @property
    def head(self) -> Tip | None:
        """What this node follows; None before it has a genesis."""
        return self._context.ledger.head if self._context.founded else None

    def _reconsider(self) -> None:
        """A floor may have been given while this node was off, beside what it followed (F5)."""
        if self._context.founded and (change := self._context.ledger.reconsider()) is not None:
            self._chain.settle((), change)

    def _note_floor(self) -> None:
        """The floor is on disk before anything that this step did about it leaves (F5)."""
        context = self._context
        if not context.founded or self._floor == context.ledger.floor:
            return
        before, self._floor = self._floor, context.ledger.floor
        context.must_last()
        self._succession.close_what_is_over()
        if before is not None and self._floor.height > before.height:
            text = f"the policy of @{self._floor.height} is final: what leaves it out counts for nothing here"
            context.publish("notice", code="floor-raised", text=text)

    def _watch_clocks(self) -> None:
        """After a start, or when the wall clock ran ahead of the monotonic one, this machine was away
        (S10)."""
        now, before = self._context.now, self._clocks
        self._clocks = now
        if before is None or (now.wall - before.wall) - (now.mono - before.mono) > SUSPEND_MS_MIN:
            self._witness.returned()

    def _withdraw(self, proposal: bytes) -> bool:
        special = self._pending.special.get(proposal)
        if special is not None and special.key == self._context.key:
            self._requests.take_back(special)
        return self._author.withdraw(proposal)

    def _dismiss(self, proposals: tuple[bytes, ...]) -> None:
        """Keeps those that are refused, and of what was dismissed before what still is: a bounded number."""
        before = self._context.store.meta(META_DISMISSED) or b""
        known = {before[at : at + ID_BYTES] for at in range(0, len(before), ID_BYTES)} | set(proposals)
        kept = sorted(known & self._pending.rejections.keys())
        self._context.must_last()
        self._context.store.apply([PutMeta(META_DISMISSED, b"".join(kept))])

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
        self._note_floor()
        if isinstance(input_, Tick):
            self._tick()
        if self._chain.has_orphans:
            self._chain.has_orphans = False
            self._catchup.consider()
        self._contents.poll()
        self._judge_guests()
        if self._context.founded:
            self._chain.share_evidence()
            self._erasing.look()
        self._spreader.flush()
        self._reconciler.tell_all()
        self._note_floor()
        if self._ranked != (ranked := self._ranking()):
            self._ranked = ranked
            self._places.tell()

    def _ranking(self) -> tuple[object, ...]:
        """What the ranks of links depend on."""
        context = self._context
        head = context.ledger.head if context.founded else None
        links = tuple(peer.link for peer in self._every_peer())
        return links, head and head.standing, head and id(head.members)

    # --- links ------------------------------------------------------------------------------------

    def _link_up(self, up: LinkUp) -> None:
        context = self._context
        if self._places.is_full_for(up.key):
            context.refuse(up.link, "full", "too many links")
            return
        try:
            admit = self._admission.judge(up)
        except Refusal as refusal:
            context.refuse(up.link, refusal.code, refusal.text)
            return
        if (less_useful := self._places.gives_way_to(up.key)) is not None:
            context.refuse(less_useful.link, "full", "too many links")
            self._unlink(less_useful.link)
        now, learned = context.now.mono, context.learned
        peer = Peer(up.link, up.key, up.name, up.address, up.initiator, now, learned)
        peer.process = up.process
        if admit is not None:
            self._guests.add(peer, admit)
            context.publish("peers", count=self._linked())
            return
        if not context.is_member(up.key):
            self._unsure.add(up.link)
        self._welcome(peer)

    def _linked(self) -> int:
        return len(self._context.peers.keys() | {peer.link for peer in self._guests.peers()})

    def _welcome(self, peer: Peer) -> None:
        """A link whose other end is told where we stand, and believed where it can prove it."""
        context = self._context
        context.peers[peer.link] = peer
        if context.store.meta(META_LINKED) is None:
            context.store.apply([PutMeta(META_LINKED, b"1")])
        self._want_genesis(peer)
        self._reconciler.tell(peer)
        self._spreader.tell_neighbours()
        self._tell_addresses([peer])
        self._silence_monitor.links_changed()
        self._duplicate_keys.met(peer)
        context.publish("peers", count=self._linked())

    def _judge_guests(self) -> None:
        """Guests that are members by now are peers; peers that turned out to be none are not."""
        context = self._context
        if len(self._guests):
            for peer in self._guests.step():
                self._unsure.discard(peer.link)
                self._welcome(peer)
        if not self._unsure or not context.is_member(context.key) or self._catchup.running:
            return
        unsure, self._unsure = self._unsure, set()
        for link in sorted(unsure):
            found = context.peers.get(link)
            if found is None or context.is_member(found.key):
                continue
            if self._guests.peer(link) is not None:
                del context.peers[link]
                self._forget_link(link)
            else:
                context.close(link, "no member; to be judged when it links again", blame=False)

    def _want_genesis(self, peer: Peer) -> None:
        if not self._context.founded:
            peer.expect(1)
            self._context.send(peer.link, Want((self._context.common_id,)))

    def _link_down(self, link: int) -> None:
        context = self._context
        self._unlink(link)
        context.publish("peers", count=self._linked())

    def _unlink(self, link: int) -> None:
        self._context.peers.pop(link, None)
        self._guests.forget(link)
        self._unsure.discard(link)
        self._forget_link(link)

    def _forget_link(self, link: int) -> None:
        self._link_lost(link)
        self._spreader.tell_neighbours()

    def _tell_addresses(self, peers: Sequence[Peer]) -> None:
        for peer in peers:
            if self._addresses and not self._context.is_guest(peer.key):
                self._context.send(peer.link, Addresses(self._addresses))

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """The parts are told after the links of keys that are members no more have ended."""
        if change.new.members is not change.old.members:
            self._end_links_of_the_expelled(change)
        super().head_moved(change, listed)

    def _end_links_of_the_expelled(self, change: HeadChange) -> None:
        """Whoever was let in on a token stays."""
        context = self._context
        context.publish("members", height=change.new.height)
        for peer in list(context.peers.values()):
            was = is_admitted(change.old.members, peer.key)
            if was and not is_admitted(change.new.members, peer.key):
                context.refuse(peer.link, "expelled", "this key is no member any more")

    # --- messages ---------------------------------------------------------------------------------

    def _received(self, received: Received) -> None:
        context = self._context
        peer = context.peers.get(received.link)
        if peer is None:
            if (guest := self._guests.peer(received.link)) is not None:
                self._guest_said(guest, received.data)
            return
        try:
            message = decode_message(received.data)
            useless = self._message(peer, message)
        except PeerFault as fault:
            context.fault(peer.link, fault.message, fault)
            return
        if useless and peer.useless(useless, context.now.mono, context.learned):
            context.close(peer.link, FLOOD_OF_USELESS, blame=True)

    def _came(self, came: Came) -> None:
        """What was awaited may have come twice since, or from a link that is gone by now: it is kept all the
        same where it is still wanted."""
        context = self._context
        peer = context.peers.get(came.link)
        useless = self._contents.take_staged(came.link, came.staged)
        if peer is not None and useless and peer.useless(useless, context.now.mono, context.learned):
            context.close(peer.link, FLOOD_OF_USELESS, blame=True)

    def _guest_said(self, peer: Peer, data: bytes) -> None:
        """What a guest says is of no use, but that it knows a history which no member here could tell of."""
        context = self._context
        try:
            message = decode_message(data)
        except PeerFault as fault:
            self._guests.close(peer.link, fault.message, blame=not fault.newer)
            return
        if isinstance(message, Heads) and self._guests.may_listen(peer, message):
            context.peers[peer.link] = peer
            self._unsure.add(peer.link)
            self._reconciler.heard_heads(peer, message)
        elif peer.useless(1, context.now.mono, context.learned):
            self._guests.close(peer.link, FLOOD_OF_USELESS, blame=True)

    def _message(self, peer: Peer, message: AnyMessage) -> int:
        """Handle one message; returns how much of it was of no use. Raises `PeerFault`."""
        context = self._context
        match message:
            case Heads():
                self._charge(peer, None, 1)
                self._reconciler.heard_heads(peer, message)
                self._refusals.pop(peer.key, None)
                if message.height:
                    self._want_genesis(peer)
            case Push():
                return self._intake.pushed(peer.link, message.artifacts, message.contents)
            case Have():
                return self._reconciler.heard_have(peer, message)
            case Want():
                if context.serves(peer.key):
                    served = serve_artifacts(context, self._pending, peer, message.ids)
                    self._charge(peer, None, price(served) + len(message.ids) // IDS_PER_TOKEN)
            case OpenIds():
                return self._reconciler.heard_open_ids(peer, message)
            case GetRange():
                self._serve_range(peer, message)
            case Range():
                return 0 if self._catchup.take(peer, message) else len(message.items) + 1
            case GetContent():
                if context.serves(peer.key):
                    for id_, size in self._contents.serve(peer, message.ids):
                        self._charge(peer, id_ if size else None, price(size))
                else:
                    self._charge(peer, None, 1)
                    context.send(peer.link, NoContent(message.ids))
            case Content():
                return self._contents.take(peer, message.contents)
            case NoContent():
                self._charge(peer, None, 1)
                self._contents.take_none(peer, message.ids)
            case AskHolding():
                self._answer_holding(peer, message)
            case Holding():
                self._charge(peer, None, 1)
                return self._keeping.holders.take(peer, message)
            case Neighbours():
                self._charge(peer, None, 1)
                peer.neighbours = frozenset(message.keys)
            case Addresses():
                self._charge(peer, None, 1)
                context.out.effects.append(Hints(message.addresses))
            case DuplicateKey():
                self._charge(peer, None, 1)
                self._duplicate_keys.heard(peer, message)
            case Refused():
                self._charge(peer, None, 1)
                self._heard_refusal(peer, message)
        return 0

    def _heard_refusal(self, peer: Peer, message: Refused) -> None:
        """Why the other side ends the link. That its disk takes no writes it says whenever we dial: that is
        told here once, until it says anything else."""
        context = self._context
        again = self._refusals.get(peer.key) == message
        if message.code != SLOW_CODE:  # the link goes on
            self._refusals.pop(peer.key, None)
            self._refusals[peer.key] = message
        if len(self._refusals) > PEERS_MAX:
            del self._refusals[next(iter(self._refusals))]
        if message.code == NO_ROOM.code:
            if context.founded:
                self._silence_monitor.heard_no_room(peer.key)
            if again:
                return
        context.publish("notice", code=message.code, text=message.text)

    def _answer_holding(self, peer: Peer, question: AskHolding) -> None:
        looks = self._keeping.answer(peer, question) if self._context.serves(peer.key) else 0
        self._charge(peer, None, 1 + looks // LOOKS_PER_TOKEN)

    def _serve_range(self, peer: Peer, request: GetRange) -> None:
        context = self._context
        answer = serve_range(context, request) if context.serves(peer.key) else None
        answer = answer or Range(request.request, request.first, (), ())
        context.send(peer.link, answer)
        size = sum(len(item.snapshot) + sum(map(len, item.proposals)) for item in answer.items)
        size += sum(map(len, answer.contents))
        about = blocks(answer.first, len(answer.items))
        for block in about:
            self._charge(peer, block, price(size // len(about)))
        if not about:
            self._charge(peer, None, 1)

    def _charge(self, peer: Peer, what: bytes | None, tokens: int) -> None:
        """Charge a peer's account for a question. Whoever asks much again and again is told and slowed.

        Raises `PeerFault` when it goes on, which it is told first."""
        context = self._context
        account = self._accounts.of(peer.key)
        toll = self._tolls.charge(account, what, tokens, context.now.mono)
        if toll is Toll.UNPAID:
            context.send(peer.link, Refused("flood", FLOOD))
            raise PeerFault(FLOOD)
        if toll is Toll.FIRST_LOW:
            context.send(peer.link, Refused(SLOW_CODE, SLOWED))
        if toll in {Toll.LOW, Toll.FIRST_LOW}:
            context.out.effects.append(Slow(account, pause_ms(tokens)))

    def _every_peer(self) -> list[Peer]:
        """Peers and guests, each once."""
        every = (*self._context.peers.values(), *self._guests.peers())
        return list({peer.link: peer for peer in every}.values())

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
                for peer in self._every_peer()
            ],
            "pending": len(self._pending.proposals),
            "pending_mine": self._pending.count_of(context.key),
            "catching_up_to": self._catchup.target_height,
            "audited_height": context.ledger.audited_height() if founded else 0,
            "fetching": dict(self._contents.progress()),
            "keeping": self._keeping.live(),
            "is_witness": self._witness.is_witness,
            "not_emitting_because": self._witness.idle_reason() if self._witness.is_witness else None,
            "refused_by": {context.name_of(key): one.text for key, one in self._refusals.items()},
            "shut_out": next((one.text for one in self._refusals.values() if one.code in SHUT_OUT), ""),
            "refusals": {one.code: one.text for one in self._refusals.values()},
            "silent_ms": self._silence_monitor.silent_ms() if founded else 0,
            "mono_ms": context.now.mono,
            "watching": self._silence_monitor.counting,
            "witness_heard_mono_ms": self._silence_monitor.heard_mono_ms,
            "witness_no_room_mono_ms": self._silence_monitor.no_room_since_ms,
            "copied": [context.name_of(key) for key in self._duplicate_keys.copied],
            "stale_reason": self._promises.stale_reason(),
            "outdated": context.outdated(),
            "is_authority": founded and self._roles.now.is_authority,
            "other_authorities": self._roles.now.others if founded else frozenset(),
            "hears_quorum": founded and self._silence_monitor.hears_quorum(),
            "authorities_connected": len(self._silence_monitor.connected_authorities()) if founded else 0,
            "conflict": context.ledger.conflict() if founded else None,
            "final_height": context.ledger.final_height() if founded else 0,
            "endorsed_epoch": self._promises.endorsed_epoch() if founded else -1,
            "held_back": self._promises.pace.held_back(),
        }


def doubt_journal(core: NodeCore, fault: AslError | None, now: Now) -> None:
    """Of a core that has just been made: where its journal is damaged it cannot know what it promised, so it
    promises nothing any more (S11). All else goes on."""
    if fault is not None:
        core.step(MarkStale(f"its signing journal is damaged: {fault.message}"), now)
