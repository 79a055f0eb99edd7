"""What an ordinary proposal does to the state (section 3): the tree here, the rest in files of its own.

An action first checks everything and then changes the draft, so an action that does not apply has changed
nothing (V7).
"""

from __future__ import annotations

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import (
    Admit,
    Erase,
    Expel,
    Forget,
    Proposal,
    Put,
    Remove,
    Rename,
    RevokeInvite,
)
from aslp2p.ledger import erasure
from aslp2p.ledger.facts import Entry, Member, pack, path_key, proposal_key
from aslp2p.ledger.members import (
    apply_admit,
    apply_expel,
    apply_forget,
    apply_rename,
    apply_revoke_invite,
)
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import Draft, NotApplicable, is_admitted


def _require_expected(expects: bytes | None, entry: Entry | None, path: str) -> None:
    if expects is None:
        return
    there = b"" if entry is None else entry.content
    if there != expects:
        now = "nothing is there" if entry is None else f"it is {there.hex()[:12]}"
        raise NotApplicable("changed-meanwhile", f"{path} is not what its author expected: {now} now")


def _require_room(draft: Draft, path: str) -> None:
    """A path is a file or a folder, never both."""
    if draft.children(path):
        raise NotApplicable("path-conflict", f"{path} is a folder")
    folder = path.rpartition("/")[0]
    while folder and not draft.children(folder):
        if draft.get(path_key(folder)) is not None:
            raise NotApplicable("path-conflict", f"{folder} is a file, so nothing can be inside it")
        folder = folder.rpartition("/")[0]


def _put(draft: Draft, action: Put, proposal: Signed[Proposal]) -> None:
    entry = draft.entry(action.path)
    _require_expected(action.expects, entry, action.path)
    if entry is None:
        _require_room(draft, action.path)
        draft.count(action.path.rpartition("/")[0], 1)
    new = Entry(
        action.content,
        action.size,
        action.media_type,
        action.executable,
        action.modified_ms,
        proposal.id,
        proposal.key,
        proposal.statement.created_ms,
    )
    draft.set(path_key(action.path), pack(new))
    same = entry is not None and entry.content == action.content
    if entry is not None and not same:
        erasure.note_gone(draft, entry.content)
    erasure.note_put(draft, action, proposal.key, 0 if same else 1)


def _remove(draft: Draft, action: Remove) -> None:
    entry = draft.entry(action.path)
    if entry is None:
        raise NotApplicable("nothing-there", f"{action.path} is not there")
    _require_expected(action.expects, entry, action.path)
    draft.set(path_key(action.path), None)
    erasure.note_gone(draft, entry.content)
    draft.count(action.path.rpartition("/")[0], -1)


def apply_action(
    draft: Draft,
    members: dict[bytes, Member],
    standing: Standing,
    proposal: Signed[Proposal],
    appointed: frozenset[bytes] = frozenset(),
) -> None:
    """Apply a proposal's ordinary action to `draft` and `members` (V7).

    `appointed` are the keys that a certificate of the same snapshot makes witness or authority: they cannot
    be expelled beside it (P6). Raises `NotApplicable`, with nothing changed, if its author may not or the
    state does not fit. Successions and policy changes are not applied here: they ride on a certificate
    (`gate.py`).
    """
    if not is_admitted(members, proposal.key):
        raise NotApplicable("not-admitted", "its author is not an admitted member", subject=proposal.id)
    if draft.get(proposal_key(proposal.id)) is not None:
        raise NotApplicable("listed-already", "it is listed already on this branch", subject=proposal.id)
    action = proposal.statement.action
    match action:
        case Put():
            _put(draft, action, proposal)
        case Remove():
            _remove(draft, action)
        case Admit():
            apply_admit(draft, members, standing, proposal, action)
        case Expel():
            apply_expel(draft, members, standing, proposal, action, appointed)
        case Forget():
            apply_forget(draft, members, standing, proposal, action)
        case Rename():
            apply_rename(draft, members, standing, proposal, action)
        case RevokeInvite():
            apply_revoke_invite(draft, standing, proposal, action)
        case Erase():
            erasure.apply_erase(draft, proposal, action)
        case _:
            raise NotApplicable(
                "no-certificate", "a succession or policy change is listed with its certificate only"
            )
