"""Who gets past a link (G2, P6): admitted keys, and a joiner with a live invite token.

A token is a member's signed word, made out to one domain key by whoever had the invite, so that nobody to
whom it is shown can use it; any member lets its bearer listen and ask. Only the daemon of the member that
issued it proposes to admit the bearer, and counts the token's uses.
"""

from __future__ import annotations

from collections.abc import Collection

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.token import borne, make_token, read_shown
from aslp2p.artifacts.types import Admit, InviteToken
from aslp2p.core.context import Context
from aslp2p.core.inputs import LinkUp, MakeToken
from aslp2p.errors import ArtifactError, UserError
from aslp2p.ledger.reader import PutMeta
from aslp2p.ledger.state import ADMITTED, is_admitted
from aslp2p.limits import INVITE_SEED_BYTES, INVITE_USES_MAX, NAME_BYTES_MAX


class Refusal(Exception):
    """A link that is not let in; `code` and the text go to the other side."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def _uses_key(token_id: bytes) -> str:
    return f"token/{token_id.hex()}"


class Admission:
    """Judges links, and turns good tokens into proposals to admit."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def judge(self, up: LinkUp) -> Admit | None:
        """None to let the link be; an `Admit` that this node should propose. Raises `Refusal`."""
        context = self._context
        if not context.founded or not is_admitted(context.ledger.head.members, context.key):
            return None  # A joiner cannot judge yet; what it takes it checks, and it has nothing to hide.
        member = context.ledger.head.members.get(up.key)
        if member is not None and member.status == ADMITTED:
            return None
        if member is not None:
            # No invite brings it back, least of all the one with which it came: an authority has to say so.
            raise Refusal(member.status, f"this key was {member.status}")
        if not up.token:
            raise Refusal("not-a-member", "this key is no member; ask a member for an invite")
        token = self._check(up.token, up.key)
        if token.key != context.key:
            return None
        self._count_use(token, up.key)
        return Admit(up.key, self._free_name(up.name, up.key), None)

    def _check(self, shown: bytes, key: bytes) -> Signed[InviteToken]:
        context = self._context
        try:
            token = borne(read_shown(shown), key)
        except ArtifactError:
            raise Refusal(
                "bad-invite", "the invite is damaged, or another key's; ask for a new one"
            ) from None
        statement = token.statement
        if statement.common_id != context.common_id or not is_admitted(
            context.ledger.head.members, token.key
        ):
            raise Refusal("bad-invite", "the invite is not by a member; ask for a new one")
        if statement.expires_ms <= context.now.wall:
            raise Refusal("expired-invite", "the invite has expired; ask for a new one")
        return token

    def _count_use(self, token: Signed[InviteToken], bearer: bytes) -> None:
        raw = self._context.store.meta(_uses_key(token.id))
        if raw is None:
            raise Refusal("bad-invite", "this machine did not issue the invite; ask for a new one")
        bearers = [raw[at : at + 32] for at in range(0, len(raw), 32)]
        if bearer in bearers:
            return
        uses = token.statement.uses
        if len(bearers) >= uses:
            raise Refusal("used-invite", "the invite was used already; ask for a new one")
        self._context.must_last()
        self._context.store.apply([PutMeta(_uses_key(token.id), raw + bearer)])

    def renamed(self, admit: Admit, pending: Collection[str]) -> Admit:
        """`admit` with a name that no pending admission gives to somebody else either."""
        return Admit(admit.key, self._free_name(admit.name, admit.key, pending), None)

    def _free_name(self, wanted: str, key: bytes, pending: Collection[str] = ()) -> str:
        """`wanted`, cleaned and made different from every living member's name."""
        taken = {
            member.name
            for other, member in self._context.ledger.head.members.items()
            if member.status == ADMITTED and other != key
        }
        taken.update(pending)
        base = wanted if wanted and name_problem(wanted) is None else f"member {key.hex()[:8]}"
        name, number = base, 2
        while name in taken:
            suffix = f"-{number}"
            name = base.encode()[: NAME_BYTES_MAX - len(suffix)].decode(errors="ignore") + suffix
            number += 1
        return name

    def make_token(self, command: MakeToken) -> bytes:
        """A token for an invite, remembered so that its uses can be counted. Raises `UserError`."""
        context = self._context
        if not context.is_member(context.key):
            raise UserError("this machine is no member yet", remedy="wait until it is admitted: asl status")
        standing = context.ledger.head.standing
        invited = all(policy.participants == "invited" for policy in standing.policies)
        if not invited and context.key not in standing.authorities():
            raise UserError(
                "only authorities may let others in here", remedy="ask one of them: asl policy show"
            )
        if command.expires_ms <= context.now.wall:
            raise UserError(
                "an invite must expire in the future", remedy="give --expires a time, such as 24h"
            )
        if not 1 <= command.uses <= INVITE_USES_MAX:
            raise UserError(
                f"an invite lets in 1 to {INVITE_USES_MAX} machines", remedy="give --uses such a number"
            )
        seed = context.entropy(INVITE_SEED_BYTES)
        signed, token = make_token(context.common_id, command.expires_ms, command.uses, seed, context.signer)
        context.store.apply([PutMeta(_uses_key(signed.id), b"")])
        return token
