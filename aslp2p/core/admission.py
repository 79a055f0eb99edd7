"""Who gets past a link (G2, P6): admitted keys, and as guests those with a live invite token.

A token is a member's signed word, made out to one domain key by whoever had the invite, so that nobody to
whom it is shown can use it. Whichever member its bearer reaches proposes the admission, wherever the inviter
is: the proposal carries the token, and every node judges and counts it (section 3). Only the time until which
an invite is good is judged here, for verifiers read no clock.
"""

from __future__ import annotations

from collections.abc import Collection

from aslp2p.artifacts.text import WORDS_OF_OURS, name_problem
from aslp2p.artifacts.token import borne, make_token, read_shown
from aslp2p.artifacts.types import Admit
from aslp2p.core.context import Context
from aslp2p.core.inputs import LinkUp, MakeToken
from aslp2p.errors import ArtifactError, UserError
from aslp2p.ledger.members import name_is_free, require_admissible, was_forgotten
from aslp2p.ledger.state import ADMITTED, NotApplicable
from aslp2p.limits import INVITE_SEED_BYTES, INVITE_USES_MAX, NAME_BYTES_MAX

_ASK_AGAIN = "; ask for a new one"
_REFUSALS = {
    "bad-invite": ("bad-invite", "the invite is not of this Common"),
    "inviter-gone": ("bad-invite", "the invite is not by a member"),
    "not-authority": ("bad-invite", "the invite is by somebody who may let nobody in here"),
    "invite-revoked": ("revoked-invite", "the invite was revoked"),
    "invite-spent": ("used-invite", "the invite was used already"),
}
"""The code of a rule's refusal to what the other side is told."""


class Refusal(Exception):
    """A link that is not let in; `code` and the text go to the other side."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def refusal_of(refused: NotApplicable) -> Refusal:
    """What a joiner is told where the rules do not let it in."""
    if refused.reason_code in _REFUSALS:
        code, text = _REFUSALS[refused.reason_code]
        return Refusal(code, text + _ASK_AGAIN)
    return Refusal(refused.reason_code, refused.reason)


class Admission:
    """Judges links, and turns good tokens into what is to be proposed."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def judge(self, up: LinkUp) -> Admit | None:
        """The `Admit` that would let a guest in; None for a member, and while this node cannot judge, being
        none itself. Raises `Refusal`."""
        context = self._context
        if not context.is_member(context.key) or context.is_member(up.key):
            return None
        draft = context.ledger.draft()
        known = context.ledger.head.members.get(up.key)
        if known is not None or was_forgotten(draft, up.key):
            # No invite brings it back, least of all the one with which it came: an authority has to say so.
            status = "expelled" if known is None else known.status
            raise Refusal(status, f"this key was {status}")
        if not up.token:
            raise Refusal("not-a-member", "this key is no member; ask a member for an invite")
        try:
            token = read_shown(up.token)
            expires_ms = borne(token, up.key).statement.expires_ms
        except ArtifactError:
            raise Refusal(
                "bad-invite", "the invite is damaged, or another key's; ask for a new one"
            ) from None
        if expires_ms <= context.now.wall:
            raise Refusal("expired-invite", "the invite has expired; ask for a new one")
        admit = Admit(up.key, self._free_name(up.name, up.key), token)
        self.require(admit)
        return admit

    def is_own(self, admit: Admit) -> bool:
        """Whether this node made the invite."""
        return admit.token is not None and borne(admit.token, admit.key).key == self._context.key

    def require(self, admit: Admit) -> None:
        """Raises `Refusal` unless the rules would let it in at our head, proposed by us."""
        context = self._context
        head = context.ledger.head
        draft = context.ledger.draft()
        try:
            require_admissible(draft, head.members, head.standing, admit, context.key, context.common_id)
        except NotApplicable as refused:
            raise refusal_of(refused) from None

    def renamed(self, admit: Admit, pending: Collection[str]) -> Admit:
        """`admit` with a name that no pending admission gives to somebody else either."""
        return Admit(admit.key, self._free_name(admit.name, admit.key, pending), admit.token)

    def _free_name(self, wanted: str, key: bytes, pending: Collection[str] = ()) -> str:
        """`wanted`, cleaned and made different from every name that somebody else has or had: a newcomer is
        not to be taken for who was expelled. A person may give such a name by hand."""
        draft = self._context.ledger.draft()
        former = {
            member.name
            for other, member in self._context.ledger.head.members.items()
            if other != key and member.status != ADMITTED
        }
        usable = wanted and name_problem(wanted) is None and wanted.lower() not in WORDS_OF_OURS
        base = wanted if usable else f"member {key.hex()[:8]}"
        name, number = base, 2
        while name in pending or name in former or not name_is_free(draft, name, key):
            suffix = f"-{number}"
            name = base.encode()[: NAME_BYTES_MAX - len(suffix)].decode(errors="ignore") + suffix
            number += 1
        return name

    def make_token(self, command: MakeToken) -> bytes:
        """The token of a new invite. Raises `UserError`."""
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
        _, token = make_token(context.common_id, command.expires_ms, command.uses, seed, context.signer)
        return token
