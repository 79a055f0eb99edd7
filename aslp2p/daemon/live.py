"""What only the running node knows, as JSON for the control socket: links, progress, what may need a person
(`views.conditions` says what of it does).

links        key, name, address, initiator, seconds, quiet_s (nothing came for so long), backlog_bytes;
             height and member as the core knows them
addresses    where this node can be dialled, "host:port"
catch_up     {"target": height} while history is being fetched, else null
audited      up to which height every signature was verified
keeping      how far looking for what may go is (`pass`), and how the last time ended (`last`)
is_authority whether this key endorses and cosigns
silence      silent_ms, and whether it is being counted (`watching`); null where nobody counts
endorsed_epoch  the highest epoch of a succession that this key has endorsed; -1: none
conflict     ids of two finals that exclude each other, else null
read_only    why nothing can be written, else null
stopped      why nothing is signed any more, else null
shut_out     why the others keep no link with this key, where nobody does; else empty
refusals     why machines let this one in no more, or not: text by code
refused_by   the same by the name of the machine
damaged, found_damaged  ids that were damaged on disk; what a question found since
outdated     why the history goes on where this version cannot follow, else null
twin_at      where a copy of our key was heard (S11), else null; copied: whose keys two machines have
admitted     whether this machine is a member
hears_quorum, not_emitting_because, held_back  what this machine's office does not do just now
witness_heard_ms  how long ago the witness gave a sign of life; null: not since the start
witness_no_room_ms  how long it has said that its disk takes no writes; null: it does not
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aslp2p.artifacts.keys import key_text
from aslp2p.core.jobs import Life, Mode
from aslp2p.daemon.link import Link


def live_json(  # noqa: PLR0913 - one for each thing that only the running node knows
    core: dict[str, Any],
    links: Sequence[Link],
    condition: Life,
    addresses: Sequence[str],
    now: float,
    *,
    mono_ms: int,
    twin_at: str | None,
    found_damaged: str = "",
) -> dict[str, Any]:
    """The JSON value; `core` is what `NodeCore.live` gave, `now` trio's time, `mono_ms` the node's clock,
    `twin_at` where a copy of our key was heard (S11), `found_damaged` what a question found."""
    target = core.get("catching_up_to")
    mode = condition.mode
    known = {peer["key"]: peer for peer in core.get("peers", ())}
    return {
        "links": [_link_json(link, known.get(link.key, {}), now) for link in links],
        "addresses": list(addresses),
        "catch_up": None if target is None else {"target": target},
        "audited": core.get("audited_height"),
        "fetching": core.get("fetching"),
        "is_witness": core.get("is_witness"),
        "is_authority": core.get("is_authority"),
        "silence": _silence_json(core, mono_ms),
        "endorsed_epoch": core.get("endorsed_epoch", -1),
        "conflict": [id_.hex() for id_ in conflict] if (conflict := core.get("conflict")) else None,
        "read_only": condition.reason if mode is Mode.READ_ONLY else None,
        "stopped": condition.reason if mode is Mode.STOPPED else None,
        "shut_out": core.get("shut_out", "") if not links else "",
        "refusals": core.get("refusals", {}),
        "refused_by": core.get("refused_by", {}),
        "damaged": [id_.hex() for id_ in condition.damaged],
        "found_damaged": found_damaged,
        "outdated": core.get("outdated"),
        "twin_at": twin_at if core.get("stale_reason") is not None else None,
        "copied": core.get("copied", []),
        "admitted": bool(core.get("admitted")),
        "hears_quorum": core.get("hears_quorum", True),
        "not_emitting_because": core.get("not_emitting_because"),
        "held_back": core.get("held_back") or "",
        "witness_heard_ms": _ago_ms(core.get("witness_heard_mono_ms"), mono_ms),
        "witness_no_room_ms": _ago_ms(core.get("witness_no_room_mono_ms"), mono_ms),
        "keeping": core.get("keeping"),
    }


def _link_json(link: Link, peer: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "key": key_text(link.key),
        "name": peer.get("name", link.name),
        "address": link.address,
        "initiator": link.initiator,
        "seconds": int(now - link.established_at),
        "quiet_s": int(now - link.message_at),
        "backlog_bytes": link.backlog,
        "height": peer.get("height"),
        "member": peer.get("member"),
    }


def _ago_ms(at_mono_ms: int | None, mono_ms: int) -> int | None:
    return None if at_mono_ms is None else max(0, mono_ms - at_mono_ms)


def _silence_json(core: dict[str, Any], mono_ms: int) -> dict[str, Any] | None:
    """The silence by now: while it is counted and nothing happens, the core has nothing new to tell."""
    if not core.get("is_authority") or core.get("is_witness"):
        return None
    silent, watching = core.get("silent_ms", 0), core.get("watching", False)
    if watching:
        silent += max(0, mono_ms - core.get("mono_ms", mono_ms))
    return {"silent_ms": silent, "watching": watching}
