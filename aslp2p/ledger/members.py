"""Who is a member, by whose word, and under which name (P6, section 3).

How it works. An `admit` *rests on* somebody: the inviter whose token it carries, or without one its author.
That member is counted, not the one who happened to propose it, so that any member may pass a joiner's token
on. Places are bounded so that nobody can use them up:

    up to PLACES_OF_MEMBERS       admits that rest on any member, ADMITS_PER_MEMBER_MAX of them on each
    up to PLACES_OF_AUTHORITIES   admits that rest on an authority
    up to MEMBERS_MAX             authorities that a policy change brings in
"""

from __future__ import annotations

import re

from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.token import borne
from aslp2p.artifacts.types import Admit, Expel, Forget, InviteToken, Proposal, Rename, RevokeInvite, Shown
from aslp2p.errors import ArtifactError
from aslp2p.ledger.facts import (
    RESERVED,
    Member,
    Members,
    forgotten_key,
    invite_revoked_key,
    invite_uses_key,
    let_in_key,
    member_key,
    name_key,
    number,
    pack,
    packed_count,
)
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import (
    ADMITTED,
    EXPELLED,
    REVOKED,
    Draft,
    NotApplicable,
    is_admitted,
)
from aslp2p.limits import (
    ADMITS_PER_MEMBER_MAX,
    MEMBERS_MAX,
    NAME_BYTES_MAX,
    PLACES_OF_AUTHORITIES,
    PLACES_OF_MEMBERS,
)

NAME_SUFFIX_DIGITS = 16
"""Of a key, where its label is taken: so many that nobody can make another key that begins so."""
_SUFFIXED = re.compile(f"-([0-9a-f]{{{NAME_SUFFIX_DIGITS}}})\\Z")


# --- names --------------------------------------------------------------------------------------------


def was_forgotten(draft: Draft, key: bytes) -> bool:
    """Whether only an authority may let `key` in, since one forgot it."""
    return draft.get(forgotten_key(key)) is not None


def name_is_free(draft: Draft, name: str, key: bytes) -> bool:
    """Whether anybody may give `key` this name."""
    return name_fits(name, key) and draft.get(name_key(name)) in (None, key)


def name_fits(name: str, key: bytes) -> bool:
    """Whether `key` may be called `name`, whoever is called so now: what ends like the name that a taken
    label becomes is only for the key that it is made of."""
    found = _SUFFIXED.search(name)
    return found is None or key.hex().startswith(found[1])


def name_for(draft: Draft, label: str, key: bytes) -> str:
    """`label`, or where a living member has it, the label and a fixed suffix of `key`. Nobody else can have
    that one, so a name that somebody sits on stops nothing."""
    if name_fits(label, key) and draft.get(name_key(label)) in (None, RESERVED, key):
        return label
    suffix = f"-{key.hex()[:NAME_SUFFIX_DIGITS]}"
    return label.encode()[: NAME_BYTES_MAX - len(suffix)].decode(errors="ignore") + suffix


def require_name(draft: Draft, name: str, key: bytes, *, by_authority: bool) -> None:
    """Raises `NotApplicable` unless `key` may be called `name` from now on."""
    if not name_fits(name, key):
        raise NotApplicable("name-taken", f"{name!r} ends like the name of another key")
    holder = draft.get(name_key(name))
    if holder == RESERVED and not by_authority:
        raise NotApplicable("name-taken", f"{name!r} was a forgotten member's; an authority may give it")
    if holder not in (None, RESERVED, key):
        raise NotApplicable("name-taken", f"another member is called {name!r}")


# --- what is written ----------------------------------------------------------------------------------


def set_member(draft: Draft, members: dict[bytes, Member], key: bytes, member: Member) -> None:
    """Record `key` as `member`; a name belongs to the living member that has it."""
    before = members.get(key)
    members[key] = member
    draft.set(member_key(key), pack(member))
    name = name_key(member.name)
    if before is not None and before.name != member.name:
        _let_go(draft, before.name, key)
    if member.status == ADMITTED:
        if draft.get(name) != key:
            draft.set(name, key)
    else:
        _let_go(draft, member.name, key)


def _let_go(draft: Draft, name: str, key: bytes) -> None:
    if draft.get(name_key(name)) == key:
        draft.set(name_key(name), None)


def keep(draft: Draft, members: dict[bytes, Member], key: bytes) -> None:
    """The history names `key` from now on, so it is never forgotten."""
    member = members[key]
    if not member.kept:
        kept = Member(member.name, member.status, member.by, True)
        members[key] = kept
        draft.set(member_key(key), pack(kept))


def admit(draft: Draft, members: dict[bytes, Member], key: bytes, label: str, by: bytes) -> None:
    """A quorum's certificate lets `key` in, new or expelled, and keeps it: under the name that it had, or
    `label`."""
    known = members.get(key)
    if known is None or known.status == EXPELLED:
        name = name_for(draft, label if known is None else known.name, key)
        _remember(draft, key)
        set_member(draft, members, key, Member(name, ADMITTED, by, True))
    else:
        keep(draft, members, key)


def _remember(draft: Draft, key: bytes) -> None:
    if draft.get(forgotten_key(key)) is not None:
        draft.set(forgotten_key(key), None)


# --- actions ------------------------------------------------------------------------------------------


def apply_admit(
    draft: Draft, members: dict[bytes, Member], standing: Standing, proposal: Signed[Proposal], action: Admit
) -> None:
    """Let `action.key` in. Raises `NotApplicable` (V7, V8, P6, A3 to A5), with nothing changed."""
    common_id = proposal.statement.common_id
    invite = require_admissible(draft, members, standing, action, proposal.key, common_id)
    if invite is not None:
        used = number(draft.get(invite_uses_key(invite.id)))
        draft.set(invite_uses_key(invite.id), packed_count(used + 1))
        keep(draft, members, invite.key)
    rests_on = proposal.key if invite is None else invite.key
    if rests_on not in standing.authorities():
        draft.set(let_in_key(rests_on), packed_count(number(draft.get(let_in_key(rests_on))) + 1))
    _remember(draft, action.key)
    known = members.get(action.key)
    kept = known is not None and known.kept
    set_member(draft, members, action.key, Member(action.name, ADMITTED, proposal.id, kept))


def require_admissible(
    draft: Draft, members: Members, standing: Standing, action: Admit, author: bytes, common_id: bytes
) -> Verified[InviteToken] | None:
    """The invite by which `author` may admit `action.key`; None without one. Raises `NotApplicable`."""
    invite = None if action.token is None else _invite(action.token, action.key, common_id)
    known = members.get(action.key)
    if known is not None and known.status == ADMITTED:
        raise NotApplicable("already-admitted", f"that key is a member already, called {known.name!r}")
    rests_on = author if invite is None else invite.key
    if not is_admitted(members, rests_on):
        raise NotApplicable("inviter-gone", "whoever made its invite is no member any more")
    authorities = standing.authorities()
    by_authority = author in authorities
    _require_allowed(draft, standing, action, known, by_authority=by_authority, rests_on=rests_on)
    if invite is not None:
        _require_live(draft, invite)
    _require_place(draft, members, action.key, rests_on, on_authority=rests_on in authorities)
    require_name(draft, action.name, action.key, by_authority=by_authority)
    return invite


def _invite(token: Shown, key: bytes, common_id: bytes) -> Verified[InviteToken]:
    """The invite, its inviter's and its bearer's signature verified."""
    try:
        invite = borne(token, key)
    except ArtifactError as error:
        message = f"its token does not hold: {error.message}"
        raise NotApplicable("bad-invite", message, rule=error.rule) from None
    if invite.statement.common_id != common_id:
        raise NotApplicable("bad-invite", "its token is of another Common")
    return invite


def _require_allowed(
    draft: Draft,
    standing: Standing,
    action: Admit,
    known: Member | None,
    *,
    by_authority: bool,
    rests_on: bytes,
) -> None:
    """Whether the policy and what was decided of the key before let it in."""
    only_authorities = any(policy.participants == "authorities" for policy in standing.policies)
    if only_authorities and rests_on not in standing.authorities():
        raise NotApplicable("not-authority", "only authorities may admit members here", rule="P6")
    expelled = known is not None and known.status == EXPELLED
    if (expelled or draft.get(forgotten_key(action.key)) is not None) and not by_authority:
        raise NotApplicable("expelled", "only an authority may admit an expelled key again", rule="P6")
    if known is not None and known.status == REVOKED:
        raise NotApplicable(
            "revoked", "that key was revoked; a revoked key is never admitted again", rule="V8"
        )


def _require_live(draft: Draft, invite: Verified[InviteToken]) -> None:
    """Whether the invite may be used once more."""
    if any(draft.get(invite_revoked_key(invite.id, by)) is not None for by in (b"", invite.key)):
        raise NotApplicable("invite-revoked", "its invite was revoked")
    if number(draft.get(invite_uses_key(invite.id))) >= invite.statement.uses:
        raise NotApplicable("invite-spent", "its invite was used as often as it may be")


def _require_place(
    draft: Draft, members: Members, key: bytes, rests_on: bytes, *, on_authority: bool
) -> None:
    """Whether a place is left, for whoever it rests on too."""
    places = PLACES_OF_AUTHORITIES if on_authority else PLACES_OF_MEMBERS
    if key not in members and len(members) >= places:
        raise NotApplicable(
            "full", f"a Common takes at most {places} members in this way; see `asl members`", rule="A4"
        )
    if not on_authority and number(draft.get(let_in_key(rests_on))) >= ADMITS_PER_MEMBER_MAX:
        raise NotApplicable(
            "full", f"a member that is no authority lets in at most {ADMITS_PER_MEMBER_MAX}", rule="A4"
        )


def apply_expel(
    draft: Draft,
    members: dict[bytes, Member],
    standing: Standing,
    proposal: Signed[Proposal],
    action: Expel,
    appointed: frozenset[bytes],
) -> None:
    """End a membership, by an authority or by the member that leaves. Raises `NotApplicable` (P6)."""
    authorities = standing.authorities()
    if proposal.key != action.key and proposal.key not in authorities:
        raise NotApplicable("not-authority", "only an authority may expel somebody else", rule="P6")
    if action.key in authorities | appointed:
        raise NotApplicable(
            "is-authority", "an authority leaves by policy change or revocation, not by expulsion", rule="P6"
        )
    if action.key in (standing.witness, standing.next_witness):
        raise NotApplicable("is-witness", "the witness is replaced before it is expelled", rule="P6")
    member = members.get(action.key)
    if member is None or member.status != ADMITTED:
        raise NotApplicable("not-a-member", "that key is no member", rule="P6")
    set_member(draft, members, action.key, Member(member.name, EXPELLED, proposal.id, member.kept))


def apply_forget(
    draft: Draft, members: dict[bytes, Member], standing: Standing, proposal: Signed[Proposal], action: Forget
) -> None:
    """Give the place of an expelled key back, that nothing in the history names. Raises `NotApplicable`."""
    if proposal.key not in standing.authorities():
        raise NotApplicable("not-authority", "only an authority may forget a key", rule="P6")
    member = members.get(action.key)
    if member is None or member.status != EXPELLED:
        raise NotApplicable("not-expelled", "only an expelled key can be forgotten", rule="P6")
    if member.kept:
        raise NotApplicable("has-signed", "the history names that key, so it cannot be forgotten")
    del members[action.key]
    draft.set(member_key(action.key), None)
    draft.set(forgotten_key(action.key), proposal.id)
    name = name_key(member.name)
    if draft.get(name) is None:
        draft.set(name, RESERVED)


def apply_rename(
    draft: Draft, members: dict[bytes, Member], standing: Standing, proposal: Signed[Proposal], action: Rename
) -> None:
    """Call a member something else from now on. Raises `NotApplicable` (P6, V7)."""
    by_authority = proposal.key in standing.authorities()
    if proposal.key != action.key and not by_authority:
        raise NotApplicable("not-authority", "only an authority may rename somebody else", rule="P6")
    member = members.get(action.key)
    if member is None or member.status != ADMITTED:
        raise NotApplicable("not-a-member", "that key is no member", rule="P6")
    require_name(draft, action.name, action.key, by_authority=by_authority)
    set_member(draft, members, action.key, Member(action.name, ADMITTED, member.by, member.kept))


def apply_revoke_invite(
    draft: Draft, standing: Standing, proposal: Signed[Proposal], action: RevokeInvite
) -> None:
    """End an invite: by an authority whosever it is, by anybody else if it is their own. The invite itself is
    not here, so whose it is shows when it is used. Raises `NotApplicable` (V7)."""
    by_authority, by_itself = (invite_revoked_key(action.invite, by) for by in (b"", proposal.key))
    if draft.get(by_authority) is not None or draft.get(by_itself) is not None:
        raise NotApplicable("invite-revoked", "that invite was revoked already")
    draft.set(by_authority if proposal.key in standing.authorities() else by_itself, proposal.id)


def require_room(members: Members, new: int) -> str | None:
    """Why a policy change cannot bring in `new` keys that were never members, or None (A4)."""
    full = len(members) + new > MEMBERS_MAX
    return f"a Common has at most {MEMBERS_MAX} members" if full else None
