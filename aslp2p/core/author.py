"""What the person at this machine proposes: puts, removals, admissions; signed, kept and spread."""

from __future__ import annotations

from collections.abc import Sequence

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import Action, Proposal, Put
from aslp2p.core.accounts import Accounts
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.spread import Spreader
from aslp2p.errors import UserError
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.reader import PutContent, PutStaged, Staged
from aslp2p.limits import INLINE_CONTENT_BYTES_MAX

Pieces = Sequence[tuple[bytes, bytes]]
"""Content with its ids."""


class Author:
    """Makes this node's own proposals. Raises `UserError`; then nothing has changed."""

    def __init__(
        self,
        context: Context,
        pending: Pending,
        contents: Contents,
        spreader: Spreader,
        accounts: Accounts,
    ) -> None:
        self._context = context
        self._pending = pending
        self._contents = contents
        self._spreader = spreader
        self._accounts = accounts

    def propose(self, action: Action, pieces: Pieces = (), staged: Sequence[Staged] = ()) -> bytes:
        """The id of the proposal; `pieces` and what is `staged` are kept with it."""
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
        if self._accounts.room(self._accounts.of(context.key)) <= 0:
            raise UserError(
                f"{self._pending.count_of(context.key)} proposals of this machine are pending already",
                remedy="wait until the witness is there: asl status",
            )
        brought = {id_ for id_, _ in pieces} | {one.id for one in staged}
        if isinstance(action, Put) and not self._is_here(action.content, brought):
            raise UserError("the content of that put is not here", remedy="put the file again")
        self.add_content(pieces)
        self.add_staged(staged)
        content: bytes | None = None
        if isinstance(action, Put) and action.size <= INLINE_CONTENT_BYTES_MAX:
            content = context.store.content(action.content)
        statement = Proposal(context.common_id, max(0, context.now.wall), context.entropy(8), action)
        proposal = sign_statement(statement, context.signer)
        self._pending.add(proposal)
        self._accounts.proposed([proposal])
        self._spreader.add(proposal, content=content)
        return proposal.id

    def _is_here(self, content: bytes, brought: set[bytes]) -> bool:
        return content in brought or self._context.store.content_size(content) is not None

    def add_content(self, pieces: Pieces) -> None:
        """Keep content for a put to come."""
        for id_, data in pieces:
            if content_id(data) != id_:
                raise UserError("content that is not what its id says", remedy="put the file again")
        if pieces:
            self._context.store.apply([PutContent(id_, data) for id_, data in pieces])
            self._contents.note_come(id_ for id_, _ in pieces)

    def add_staged(self, staged: Sequence[Staged]) -> None:
        """Keep content for a put to come that was hashed and written already."""
        if not staged:
            return
        self._context.store.apply([PutStaged(one) for one in staged])
        self._contents.note_come(one.id for one in staged)

    def withdraw(self, proposal: bytes) -> bool:
        """Whether it was pending, and ours."""
        mine = self._pending.proposals.get(proposal)
        if mine is None or mine.key != self._context.key:
            return False
        self._pending.close([proposal])
        return True
