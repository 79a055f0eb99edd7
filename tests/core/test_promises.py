"""The one place where a key signs: every stance times every ask, on a real store and with real signatures.

What is refused raises, and nothing has changed: not the journal, not the stance, and nothing leaves here.
"""

from __future__ import annotations

import itertools

import msgspec
import pytest

from aslp2p.artifacts.envelope import Verified, Verifier
from aslp2p.artifacts.types import PolicyChange, Snapshot, Statement
from aslp2p.core import promises as module
from aslp2p.core.certificates import Certificates
from aslp2p.core.context import Context
from aslp2p.core.effects import Publish, Step
from aslp2p.core.inputs import Now
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.errors import Rejected
from aslp2p.ledger.journal import COSIGN, EMIT, ENDORSE, ENDORSE_POLICY, META_STALE
from aslp2p.ledger.reader import JournalRow, PutJournal, PutMeta
from aslp2p.ledger.stances import WHY, Ask, Stance
from tests.ledger.builder import BEN
from tests.ledger.stances import Cosigning, Emitting, Endorsing, Scene, expected

KINDS = (ENDORSE, ENDORSE_POLICY, COSIGN, EMIT)
PAIRS = list(itertools.product(Stance, Ask))


class Ben:
    """The promises over a scene's store."""

    def __init__(self, stance: Stance) -> None:
        self.scene = Scene(stance)
        self.context = Context(self.scene.store, self.scene.world.id, BEN, bytes, Verifier())
        self.context.open_ledger()
        self.context.now = Now(1, 7_000)
        self.context.out = Step(durable=False)
        self.promises = Promises(
            self.context, Certificates(self.context, Pending(self.context), lambda _proposal, _author: False)
        )

    def journal(self) -> list[JournalRow]:
        return [row for kind in KINDS for row in self.scene.store.journal(kind, last=1000)]

    def statement(self, asked: Emitting) -> Snapshot:
        """Any snapshot of that epoch on that parent; the gate is not asked here."""
        template = self.scene.b3.snapshot.statement
        return msgspec.structs.replace(
            template,
            height=asked.parent.height + 1,
            previous=asked.parent.id,
            epoch=asked.epoch,
        )

    def signs(self, asked: Endorsing | Cosigning | Emitting) -> Verified[Statement]:
        match asked:
            case Endorsing(proposal=proposal):
                return self.promises.endorse(proposal, asked.action)
            case Cosigning(row=row):
                return self.promises.cosign(row)
            case Emitting(parent=parent):
                return self.promises.emit(self.statement(asked), parent)

    def may(self, asked: Endorsing | Cosigning | Emitting) -> bool:
        """The same question, without a signature."""
        match asked:
            case Endorsing(proposal=proposal):
                try:
                    self.promises.require_endorsable(proposal.id, asked.action)
                except Rejected:
                    return False
                return True
            case Cosigning(row=row):
                return self.promises.may_cosign(row)
            case Emitting(epoch=epoch, parent=parent):
                return self.promises.refusal_to_emit(epoch, parent) is None


@pytest.mark.parametrize(("stance", "ask"), PAIRS, ids=lambda one: one.name)
def test_every_stance_times_every_ask(stance: Stance, ask: Ask) -> None:
    ben = Ben(stance)
    asked = ben.scene.asked(ask)
    before = ben.journal()
    answer = expected(stance, ask)
    assert ben.promises.stance is stance
    assert ben.may(asked) == isinstance(answer, Stance)
    assert ben.journal() == before, "a question is no promise"
    if isinstance(answer, str):
        with pytest.raises(Rejected) as caught:
            ben.signs(asked)
        assert caught.value.rule == answer
        assert ben.journal() == before
        assert ben.promises.stance is stance
        assert not ben.context.out.durable and not ben.context.out.effects
        if isinstance(asked, Emitting):
            reason = ben.promises.refusal_to_emit(asked.epoch, asked.parent)
            assert reason is not None and WHY[answer] in reason
        return
    signed = ben.signs(asked)
    assert signed.key == BEN.key
    Verifier().verify(signed)
    assert ben.promises.stance is answer
    if ask is Ask.ENDORSE_SAME:
        assert ben.journal() == before, "what was promised before is no new promise"
        assert signed.raw in [row.raw for row in before]
    else:
        (new,) = [row for row in ben.journal() if row not in before]
        assert new.raw == signed.raw
        assert ben.context.out.durable, "on disk before anybody sees it (S1)"


def test_a_policy_change_is_endorsed_for_epoch_0_and_once() -> None:
    ben = Ben(Stance.FREE)
    asked = ben.scene.asked(Ask.ENDORSE_POLICY)
    assert isinstance(asked, Endorsing) and isinstance(asked.action, PolicyChange)
    first = ben.promises.endorse(asked.proposal, asked.action)
    assert first.statement.epoch == 0
    assert ben.promises.endorse(asked.proposal, asked.action) == first


def test_a_promise_is_not_made_twice_because_it_is_too_old_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOURNAL_LOOKED_THROUGH", 1)
    ben = Ben(Stance.FREE)
    first, second = ben.scene.asked(Ask.ENDORSE_SAME), ben.scene.asked(Ask.ENDORSE_HIGHER)
    ben.signs(second)
    with pytest.raises(LookupError):
        ben.signs(first)


# --- S11 ----------------------------------------------------------------------------------------------


def test_hearing_oneself_say_what_the_journal_holds_is_nothing_new() -> None:
    ben = Ben(Stance.FREE)
    b3 = ben.scene.b3
    cosigned = ben.scene.world.cosignature(b3, BEN)
    ben.promises.hear_own(COSIGN, b3.id, cosigned.id, "a cosignature")
    assert ben.promises.stale_reason() is None


@pytest.mark.parametrize("known", [False, True])
def test_hearing_what_the_journal_lacks_ends_all_promises(known: bool) -> None:
    """That the journal holds another signature about the same does not help: it was made again."""
    ben = Ben(Stance.FREE)
    node = ben.scene.b3 if known else ben.scene.c4
    other = ben.scene.world.cosignature(node, BEN, created_ms=1)
    ben.promises.hear_own(COSIGN, node.id, other.id, "a cosignature")
    reason = ben.promises.stale_reason()
    assert reason is not None and "a cosignature" in reason
    assert ben.promises.stance is Stance.STALE
    assert ben.context.out.durable
    assert ben.context.out.effects == [Publish("notice", {"code": "stale-key", "text": reason})]
    ben.promises.hear_own(COSIGN, bytes(32), bytes(32), "something else")
    ben.promises.mark_stale("copied")
    assert ben.promises.stale_reason() == reason, "the first reason is what counts"


def test_a_promise_older_than_is_looked_through_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOURNAL_LOOKED_THROUGH", 1)
    ben = Ben(Stance.FREE)
    ben.scene.store.apply([PutJournal(JournalRow(COSIGN, 6, 4, ben.scene.c4.id, b""))])
    ben.promises.hear_own(COSIGN, ben.scene.b3.id, bytes(32), "a cosignature")
    assert ben.promises.stale_reason() is None


def test_a_journal_in_doubt_is_not_read() -> None:
    fresh, stale = Ben(Stance.FREE), Ben(Stance.STALE)
    assert fresh.promises.endorsed_epoch() == 5
    last = fresh.promises.last_cosigned()
    assert last is not None and last.subject == fresh.scene.b3.id
    assert stale.promises.endorsed_epoch() == -1
    assert stale.promises.last_cosigned() is None


def test_its_owner_may_vouch() -> None:
    ben = Ben(Stance.STALE)
    assert ben.promises.stale_reason() == "restored from a backup"
    ben.promises.vouch()
    assert ben.promises.stale_reason() is None
    assert ben.scene.store.meta(META_STALE) is None
    ben.scene.store.apply([PutMeta(META_STALE, b"again")])
    assert ben.promises.stance is Stance.STALE
