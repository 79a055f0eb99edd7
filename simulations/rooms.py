"""Room to go on: in the calm a machine joins, the witness is replaced, and a policy changes and settles.

People do one after the other, as soon as what they see says that the one before is done, and go on asking
until it is. What was asked for is judged from the disks in the end (`checkers/room.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aslp2p.artifacts.types import Named, Policy
from aslp2p.core.inputs import Rotate
from aslp2p.ledger.policy import authority_keys
from aslp2p.ledger.state import is_admitted
from simulations import generations, people
from simulations.checkers.room import Wanted

if TYPE_CHECKING:
    from aslp2p.ledger.gate import Tip
    from simulations.stage import Stage

ASK_MS = 60_000


class Room:
    """What is asked for, in turn; `wanted` is what has to be there in the end."""

    def __init__(self, play: Stage) -> None:
        self._play = play
        self._next_ms = 0
        self._joiner = ""
        self._before = b""
        self._policy: Policy | None = None
        self.wanted = Wanted()
        self.begun = False
        self.is_done = False

    def go_on(self) -> bool:
        """Do what is next, if it is time; whether all is done."""
        self.begun = True
        head = self._play.newest_head()
        if head is None:
            return False
        if not self._is_admitted(head):
            return self._again(self._admit)
        if not self._is_replaced(head):
            return self._again(self._replace)
        self.is_done = self._is_settled(head)
        return self.is_done or self._again(self._change)

    def _again(self, ask: Callable[[], None]) -> bool:
        if self._play.world.now_ms >= self._next_ms:
            self._next_ms = self._play.world.now_ms + ASK_MS
            ask()
        return False

    # --- somebody joins ----------------------------------------------------------------------------

    def _is_admitted(self, head: Tip) -> bool:
        key = self.wanted.member
        return key is not None and is_admitted(head.members, key)

    def _admit(self) -> None:
        play = self._play
        for inviter in play.choose("any-honest-authority"):
            if self._joiner:
                play.world.nodes[self._joiner].inviter = inviter
            elif (token := people.make_invite(play, inviter)) is not None:
                self._joiner = people.add_joiner(play, inviter, token, floor=True)
                self.wanted.member = play.world.nodes[self._joiner].key
                play.switch_on([self._joiner])

    # --- the witness is replaced ---------------------------------------------------------------------

    def _is_replaced(self, head: Tip) -> bool:
        return bool(self._before) and head.standing.next_witness != self._before

    def _replace(self) -> None:
        """It is switched off for good where the others are a quorum without it; else it hands over."""
        play, head = self._play, self._play.newest_head()
        assert head is not None
        witness = play.witness()
        if not self._before:
            self._before = self.wanted.not_witness = head.standing.next_witness
        if witness in play.gone:
            generations.recover_alone(play)
            return
        if play.spares(witness):
            play.gone.add(witness)
            play.switch_off(witness)
            play.note(witness, "is switched off for good")
            return
        heirs = [name for name in self._honest(head) if play.world.nodes[name].key != self._before]
        heirs = heirs or [self._joiner]
        if witness not in play.liars:
            people.command(play, witness, Rotate(play.world.nodes[heirs[0]].key, "moving out"))

    def _honest(self, head: Tip) -> list[str]:
        play = self._play
        keys = head.standing.authorities()
        here = [name for name in play.trusted() if name not in play.gone and play.world.nodes[name].on]
        return [name for name in here if play.world.nodes[name].key in keys]

    # --- the policy changes -------------------------------------------------------------------------

    def _change(self) -> None:
        """The newcomer takes the place of an authority that is gone, or of the last one."""
        play, head = self._play, self._play.newest_head()
        assert head is not None
        if self._policy is None:
            old = head.standing.policies[-1]
            gone = {play.world.nodes[name].key for name in play.gone | play.liars.keys()}
            leaves = next((one for one in old.witnesses if one.key in gone), old.witnesses[-1])
            newcomer = play.world.nodes[self._joiner]
            named = Named(newcomer.name, newcomer.key)
            witnesses = tuple(named if one is leaves else one for one in old.witnesses)
            self._policy = Policy(
                witnesses=witnesses,
                threshold=old.threshold,
                rotation_allowed=old.rotation_allowed,
                grace_period_ms=old.grace_period_ms,
                participants=old.participants,
                protocol=1,
            )
            self.wanted.authorities = authority_keys(self._policy)
            generations.begin(play, self._policy)

    def _is_settled(self, head: Tip) -> bool:
        asked = self._policy is not None and authority_keys(self._policy)
        return not head.standing.joint and authority_keys(head.standing.policies[-1]) == asked
