"""For what a person is called: the occasions in what `status` says of a Common, of folders, and of the disk.

An occasion is there as long as it is in the answer; who keeps notices tells the same key once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.text import terminal_safe
from aslp2p.artifacts.token import borne
from aslp2p.artifacts.types import Admit, Proposal
from aslp2p.errors import ArtifactError
from aslp2p.home.notices import Notice
from aslp2p.ledger.facts import load_members
from aslp2p.ledger.reader import Reader
from aslp2p.ledger.state import ADMITTED
from aslp2p.limits import DISK_LOW_BYTES
from aslp2p.views.conditions.machine import disk_low
from aslp2p.views.conditions.table import KINDS
from aslp2p.views.view import View

URGENT = {"frozen", "key-marked", "conflict", "silence-end"}
"""What cannot wait until its person looks by chance."""


def condition_notices(conditions: Iterable[Mapping[str, Any]]) -> Iterator[Notice]:
    """The occasions among the conditions that `status` shows (`views.conditions`)."""
    for one in conditions:
        if kind := KINDS[one["code"]].notice:
            key = f"{kind} {one['id'][:16]} {one['what']}".strip()
            urgent = kind in URGENT
            yield Notice(key, kind, one["common"], terminal_safe(one["text"]), _typed(one), urgent)


def _typed(condition: Mapping[str, Any]) -> str:
    """What to type; where it is several commands, or none, the words."""
    commands = condition["commands"]
    return commands[0] if len(commands) == 1 else condition["remedy"] or "asl status"


def used_invites(view: View, own_key: bytes, known: dict[bytes, bool]) -> list[Notice]:
    """Who came in with an invite of `own_key`. `known` remembers which admissions were looked at."""
    name, found = view.genesis().name, []
    for key, member in load_members(view.reader, view.branch, view.height).items():
        if member.status != ADMITTED or key == own_key:
            continue
        if member.by not in known:
            known[member.by] = _is_invited_by(view.reader, member.by, own_key)
        if known[member.by]:
            text = f"{terminal_safe(member.name)} came in with an invite of yours"
            remedy = f"asl members expel '{terminal_safe(member.name)}'   # if that is nobody you know"
            found.append(Notice(f"invite {member.by.hex()[:32]}", "invite", name, text, remedy))
    return found


def _is_invited_by(reader: Reader, proposal: bytes, own_key: bytes) -> bool:
    raw = reader.artifact(proposal)
    if raw is None:
        return False  # genesis
    statement = decode_artifact(raw).statement
    if not isinstance(statement, Proposal) or not isinstance(statement.action, Admit):
        return False
    if statement.action.token is None:
        return False
    try:
        return borne(statement.action.token, statement.action.key).key == own_key
    except ArtifactError:
        return False


def folder_notices(folders: Iterable[Mapping[str, Any]]) -> Iterator[Notice]:
    """Files of which two versions are kept, as `folder.list` shows them."""
    for one in folders:
        if count := len(one["conflicts"]):
            text = f"{one['folder']} holds {count} {'file' if count == 1 else 'files'} in two versions"
            yield Notice(f"conflict {one['folder']}", "conflict", "", terminal_safe(text), "asl folder list")


def disk_notice(free_bytes: int, *, already: bool) -> Iterator[Notice]:
    """The disk of the home is nearly full; told once (`already`), it is over when twice as much is free."""
    for one in disk_low(free_bytes, DISK_LOW_BYTES * (2 if already else 1)):
        yield Notice("disk", "disk", "", one.text, one.remedy)
