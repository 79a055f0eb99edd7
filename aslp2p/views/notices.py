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
from aslp2p.ledger.reader import Reader
from aslp2p.ledger.state import ADMITTED, load_members
from aslp2p.limits import DISK_LOW_BYTES
from aslp2p.views.view import View

JOINER_WAITS_S = 60
"""A joiner with an invite is in within seconds, unless the witness is away."""


def common_notices(common: Mapping[str, Any]) -> Iterator[Notice]:
    """The occasions in one Common, as `status` shows it with `live`."""
    id_, name, live = common["id"][:16], common["name"], common.get("live") or {}

    def notice(kind: str, what: str, text: str, remedy: str, *, urgent: bool = False) -> Notice:
        return Notice(f"{kind} {id_} {what}".strip(), kind, name, terminal_safe(text), remedy, urgent)

    if common["height"] is None:
        return
    offers = set(common["offers"])
    for one in common["papers"]:
        if one["id"] in offers:
            text = f"{one['author']['shown']} asks for your endorsement: {one['words']}"
            yield notice("endorsement", one["id"], text, one["paper"]["command"])
    yield from _silence(common, live, notice)
    if reason := live.get("stopped"):
        yield notice("frozen", "stopped", f"it is stopped: {reason}", "asl status", urgent=True)
    if conflict := live.get("conflict"):
        text = "two final histories exclude each other, and this machine signs nothing any more"
        yield notice("frozen", " ".join(sorted(conflict)), text, "asl evidence", urgent=True)
    if reason := common["stale"]:
        text = f"this machine's key signs no promises any more: {reason}"
        yield notice("key-marked", "", text, "asl status", urgent=True)
    for one in common["accused"]:
        text = f"{one['shown']} has signed two histories"
        yield notice("conflict", one["key"], text, "asl evidence", urgent=True)
    for one in live.get("links", ()):
        if one["member"] is False and one["seconds"] >= JOINER_WAITS_S and common["standing"] == ADMITTED:
            text = f"{one['name'] or one['key']} waits to be let in, until the witness lists it"
            yield notice("joiner", one["key"], text, "asl proposals")


def _silence(common: Mapping[str, Any], live: Mapping[str, Any], notice: Any) -> Iterator[Notice]:
    silence = live.get("silence")
    if not silence:
        return
    grace, silent, witness = common["grace_period_ms"], silence["silent_ms"], common["witness"]
    if silent >= grace:
        text = f"the witness {witness['shown']} is silent for its whole grace period, and may be replaced"
        yield notice("silence-end", witness["key"], text, "asl recover", urgent=True)
    elif 2 * silent >= grace:
        text = f"the witness {witness['shown']} is silent for half of its grace period"
        yield notice("silence-half", witness["key"], text, "asl status")


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
    if free_bytes < DISK_LOW_BYTES * (2 if already else 1):
        text = f"{free_bytes // 1024**2} MiB are left on the disk of this machine's home"
        yield Notice("disk", "disk", "", text, "make room: df -h")
