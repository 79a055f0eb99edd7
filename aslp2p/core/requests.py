"""Commands of people that concern succession: each either makes its promise or raises, with what to do next.

What the daemon does by itself is `auto_succession.py`'s; both go through the same `Promises`.
"""

from __future__ import annotations

from typing import NoReturn, cast

import msgspec

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Erase, PolicyChange, Proposal, Recovery, Revocation, Rotation, Takeover
from aslp2p.core.attempts import Attempts
from aslp2p.core.auto_succession import AutoSuccession
from aslp2p.core.certificates import Certificates
from aslp2p.core.context import Context
from aslp2p.core.inputs import ChangePolicy, Endorse, Recover, Revoke, Rotate
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.core.role import Roles
from aslp2p.errors import Rejected, UserError
from aslp2p.ledger.certificate import Certified, Parent, require_applicable
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.journal import ENDORSE
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import is_admitted

_REMEDY = {
    "S1": "wait until it is proposed again: a takeover that you have said yes to is endorsed then by itself",
    "S3": "to give up for ever what was cosigned, propose it with --abandon; see it: asl show",
    "S14": "wait for the next round, then say it again: asl status",
    "S11": "bring a new key in: asl policy replace-key",
    "F1": "talk to the other authorities: asl evidence",
}


def _refuse(refused: Rejected) -> NoReturn:
    raise UserError(refused.message, remedy=_REMEDY.get(refused.rule, "see where things stand: asl status"))


class Requests:
    """Carries out what a person asks."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        certificates: Certificates,
        promises: Promises,
        succession: AutoSuccession,
        roles: Roles,
        attempts: Attempts,
    ) -> None:
        self._context = context
        self._pending = pending
        self._certificates = certificates
        self._promises = promises
        self._succession = succession
        self._roles = roles
        self._attempts = attempts

    def endorse(self, command: Endorse) -> bytes:
        """The endorsement's bytes. Raises `UserError`."""
        self._require_founded()
        proposal = self._pending.special.get(command.proposal)
        if proposal is None:
            known = command.proposal in self._pending.proposals
            what = "that proposal needs no endorsement" if known else "no open proposal has that id"
            raise UserError(what, remedy="see what is open: asl proposals")
        return self._endorse(proposal, cast("Certified", proposal.statement.action))

    def _endorse(self, proposal: Verified[Proposal], action: Certified) -> bytes:
        context = self._context
        standing = self._certificates.standing_for(action) or context.ledger.head.standing
        if not self._certificates.may_endorse(action, context.key, standing):
            raise UserError(
                "this machine's key is no authority, so its endorsement would not count",
                remedy="see who can endorse: asl policy show",
            )
        self._require_applicable(proposal.id, action)
        if isinstance(action, Rotation) and not self._certificates.may_ride(proposal):
            raise UserError(
                "V4: its base is not in the witness's present reign, so it cannot be carried out any more",
                remedy="the witness has to ask again: asl rotate",
            )
        try:
            endorsement = self._promises.endorse(proposal, action)
        except Rejected as refused:
            if refused.rule == "S3" and isinstance(action, Takeover) and self._is_behind(action):
                return self._propose_again(action)
            if refused.rule == "S1" and isinstance(action, Takeover):
                # Overtaken while the person was thinking: what they want holds for the next one like it.
                self._attempts.want(action)
            self._refuse_if_far(action, refused)
            _refuse(refused)
        if isinstance(action, Takeover):
            self._attempts.want(action)
        self._attempts.note_person(proposal.id)
        self._succession.add_endorsement(endorsement)
        return endorsement.raw

    def _refuse_if_far(self, action: Certified, refused: Rejected) -> None:
        """Raises `UserError` for an epoch out of reach (S1): somebody has to choose a nearer one."""
        if (
            refused.rule != "S1"
            or isinstance(action, PolicyChange | Erase)
            or action.epoch <= self._promises.ceiling(self._judging(action))
        ):
            return
        if isinstance(action, Rotation):
            raise UserError(refused.message, remedy="the witness has to ask again: asl rotate")
        command = "asl revoke" if isinstance(action, Revocation) else "asl recover"
        raise UserError(
            refused.message, remedy=f"propose it yourself, in an epoch that is within reach: {command}"
        )

    def _judging(self, action: Certified) -> Standing:
        """What judges `action` on our head (P4)."""
        return self._certificates.judging(self._context.ledger.head, action)

    def _is_behind(self, action: Takeover) -> bool:
        """Whether our head only goes on from its base, and this key may endorse it there. Where lines part,
        proposing it again on each of them would go on for ever: people have to give up one of them (S9)."""
        ledger = self._context.ledger
        head = ledger.head
        follows = not action.abandons and ledger.contains(head.branch, head.height, action.base_id)
        return follows and self._certificates.may_endorse(action, self._context.key, head.standing)

    def _propose_again(self, action: Takeover) -> bytes:
        """Since `action` was proposed this key has cosigned beyond its base (S3): propose the same on our
        head, and endorse that. Who has endorsed the other one endorses this one without being asked."""
        head = self._context.ledger.head
        epoch = self._succession.next_epoch(self._judging(action))
        newer = msgspec.structs.replace(action, epoch=epoch, base_height=head.height, base_id=head.id)
        self._propose(newer)
        return self._context.store.journal(ENDORSE)[0].raw

    def _require_applicable(self, subject: bytes, action: Certified) -> None:
        context = self._context
        at = context.ledger.head
        if isinstance(action, Takeover):
            row = context.store.snapshot(action.base_id)
            if row is None:
                raise UserError(
                    f"its base @{action.base_height} is not here yet, so it cannot be judged",
                    remedy="let this machine catch up first: asl status",
                )
            at = context.ledger.tip_at(row.branch, row.height)
        if context.ledger.audited_on(at.branch) < at.height:
            raise UserError("the history is still being audited (G4)", remedy="wait a moment: asl status")
        try:
            view = self._view(msgspec.structs.replace(at, standing=self._certificates.judging(at, action)))
            require_applicable(action, view, subject=subject)
        except Rejected as refused:
            _refuse(refused)

    def _view(self, at: Tip) -> Parent:
        context = self._context
        ledger = context.ledger
        return Parent(
            at.id,
            at.height,
            at.standing,
            at.members,
            lambda height: ledger.id_at(at.branch, height),
            lambda id_: ledger.contains(at.branch, at.height, id_),
            lambda content: held_at(context.store, at.branch, at.height, content),
        )

    def rotate(self, command: Rotate) -> bytes:
        """The proposal's id; only the witness may ask. Raises `UserError`."""
        self._require_founded()
        context = self._context
        head = context.ledger.head
        if head.standing.next_witness != context.key:
            raise UserError(
                f"only the witness can hand over, and that is {context.name_of(head.standing.next_witness)}",
                remedy="type it there, or if it is gone: asl recover",
            )
        self._require_member(command.new_witness)
        epoch = self._succession.next_epoch(head.standing)
        action = Rotation(epoch, head.height, head.id, command.new_witness, command.reason)
        return self._propose(action)

    def take_back(self, proposal: Verified[Proposal]) -> None:
        """Before this machine's own proposal is withdrawn: what it wanted is wanted no more, and above a
        rotation that the witness has endorsed it asks for one to itself.

        Closing it would not be enough, as the witness could cosign nothing below it (S4). Daemons endorse the
        other one without asking (S12); then finality goes on, and nobody can carry out the first (V6). Raises
        `UserError`; nothing has changed then.
        """
        action = proposal.statement.action
        if isinstance(action, Takeover):
            self._attempts.unwant(action)
        standing = self._context.ledger.head.standing
        witness, bound = standing.next_witness, self._promises.endorsed_epoch()
        if not isinstance(action, Rotation) or witness != self._context.key or bound <= standing.next_epoch:
            return
        head = self._context.ledger.head
        reason = "a rotation is taken back"
        epoch = self._succession.next_epoch(standing)
        self._propose(Rotation(epoch, head.height, head.id, witness, reason))

    def recover(self, command: Recover) -> bytes:
        """The proposal's id; only an authority may ask. Raises `UserError`."""
        self._require_authority()
        context = self._context
        head = context.ledger.head
        new_witness = command.new_witness or context.key
        self._require_member(new_witness)
        epoch = self._succession.next_epoch(self._roles.now.deciding)
        action = Recovery(epoch, head.height, head.id, new_witness, command.reason, command.abandons)
        return self._propose(action)

    def revoke(self, command: Revoke) -> bytes:
        """The proposal's id; only an authority may ask. Raises `UserError`."""
        self._require_authority()
        context = self._context
        head = context.ledger.head
        witness = head.standing.next_witness
        new_witness = command.new_witness or (witness if witness != command.revoked else context.key)
        self._require_member(new_witness)
        action = Revocation(
            self._succession.next_epoch(context.ledger.deciding(head, (command.revoked,))[0]),
            head.height,
            head.id,
            new_witness,
            command.reason,
            command.abandons,
            command.revoked,
            command.evidence,
        )
        return self._propose(action)

    def change_policy(self, command: ChangePolicy) -> bytes:
        """The proposal's id. Raises `UserError`."""
        self._require_founded()
        standing = self._context.ledger.head.standing
        return self._propose(PolicyChange(command.policy, standing.installed[-1].id))

    def vouch(self) -> None:
        """Raises `UserError` unless this key is the only authority and its journal is in doubt."""
        self._require_founded()
        context = self._context
        if self._promises.stale_reason() is None:
            raise UserError("nothing is in doubt about this machine's signing journal")
        if context.ledger.head.standing.authorities() != {context.key}:
            raise UserError(
                "only the owner of a Common with one authority may vouch for its journal",
                remedy="bring a new key in: asl policy replace-key",
            )
        self._promises.vouch()

    # --- shared -----------------------------------------------------------------------------------

    def _propose(self, action: Certified) -> bytes:
        context = self._context
        if not context.is_member(context.key):
            raise UserError("this machine is not admitted", remedy="see what it waits for: asl status")
        if not self._certificates.room_for(context.key, action):
            raise UserError(
                "too many successions of this machine are open already", remedy="see them: asl proposals"
            )
        self._require_applicable(b"", action)
        counts = self._certificates.may_endorse(action, context.key, context.ledger.head.standing)
        if counts and self._promises.stale_reason() is not None and isinstance(action, Rotation | Takeover):
            raise UserError(str(self._promises.stale_reason()), remedy=_REMEDY["S11"])
        endorses = counts and self._promises.stale_reason() is None
        if endorses:
            self._require_endorsable(action)  # before anything is signed: what is refused changes nothing
        proposal = self._succession.propose(action)
        if endorses:
            self._endorse(proposal, action)
        return proposal.id

    def _require_endorsable(self, action: Certified) -> None:
        """Raises `UserError` if this key may not endorse what it is about to propose."""
        try:
            self._promises.require_endorsable(b"", action)
        except Rejected as refused:
            last = self._promises.last_cosigned()
            if refused.rule != "S3" or last is None:
                _refuse(refused)
            raise UserError(
                f"S3: the history here leaves out @{last.height}, which this key cosigned last",
                remedy=f"if it is to be given up for ever: --abandon {last.subject.hex()[:12]}",
            ) from None

    def _require_founded(self) -> None:
        if not self._context.founded:
            raise UserError("this machine has not received the Common yet", remedy="see: asl status")

    def _require_authority(self) -> None:
        self._require_founded()
        if not self._roles.now.is_authority:
            raise UserError("only an authority can ask for that", remedy="see who is: asl policy show")

    def _require_member(self, key: bytes) -> None:
        if not is_admitted(self._context.ledger.head.members, key):
            raise UserError("the new witness must be a member", remedy="see who is: asl members")
