"""What only the running node knows, as JSON for the control socket: links, progress, what needs a person.

links        key, name, address, initiator, seconds, backlog_bytes; height and member as the core knows them
addresses    where this node can be dialled, "host:port"
catch_up     {"target": height} while history is being fetched, else null
audited      up to which height every signature was verified
is_authority whether this key endorses and cosigns
silence      silent_ms, and whether it is being counted (`watching`); null where nobody counts
endorsed_epoch  the highest epoch of a succession that this key has endorsed; -1: none
conflict     ids of two finals that exclude each other, else null
read_only    why nothing can be written, else null
stopped      why nothing is signed any more, else null
shut_out     why the others keep no link with this key, where nobody does; else empty
refusals     why machines let this one in no more, or not: text by code
damaged      ids that were damaged on disk
warnings     text, remedy, and attention: whether a person has to do something
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aslp2p.artifacts.keys import key_text
from aslp2p.core.jobs import Condition, Mode
from aslp2p.daemon.link import Link


def live_json(  # noqa: PLR0913 - one for each thing that only the running node knows
    core: dict[str, Any],
    links: Sequence[Link],
    condition: Condition,
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
        "damaged": [id_.hex() for id_ in condition.damaged],
        "warnings": list(_warnings(core, condition, twin_at, found_damaged, alone=not links)),
    }


def _link_json(link: Link, peer: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "key": key_text(link.key),
        "name": peer.get("name", link.name),
        "address": link.address,
        "initiator": link.initiator,
        "seconds": int(now - link.established_at),
        "backlog_bytes": link.backlog,
        "height": peer.get("height"),
        "member": peer.get("member"),
    }


def _silence_json(core: dict[str, Any], mono_ms: int) -> dict[str, Any] | None:
    """The silence by now: while it is counted and nothing happens, the core has nothing new to tell."""
    if not core.get("is_authority") or core.get("is_witness"):
        return None
    silent, watching = core.get("silent_ms", 0), core.get("watching", False)
    if watching:
        silent += max(0, mono_ms - core.get("mono_ms", mono_ms))
    return {"silent_ms": silent, "watching": watching}


def _warnings(
    core: dict[str, Any], condition: Condition, twin_at: str | None, found_damaged: str, *, alone: bool
) -> Iterable[dict[str, Any]]:
    if condition.mode is Mode.STOPPED:
        yield _warning(
            f"this Common is stopped: {condition.reason}", "see the daemon's log, then start `asl up` again"
        )
    if reason := core.get("outdated"):
        yield _warning(f"the history goes on where this version cannot follow: {reason}", "see `asl version`")
    if condition.damaged:
        yield _warning(f"{len(condition.damaged)} artifacts were damaged on disk", "run `asl fsck`")
    elif found_damaged:
        yield _warning(found_damaged, "stop the daemon, and type `asl fsck --repair`")
    if twin_at is not None and core.get("stale_reason") is not None:
        yield _warning(
            f"another machine at {twin_at} has a copy of this machine's key: neither may sign any more",
            "stop one of them, and give it a key of its own",
        )
    for name in core.get("copied", ()):
        yield _warning(
            f"two machines speak with the key of {name}: neither may sign any more (S11)",
            f"stop one of them for good; `asl status` on the machines of {name} says how to get a new key",
        )
    if conflict := core.get("conflict"):
        ids = " and ".join(id_.hex()[:12] for id_ in conflict)
        yield _warning(
            f"TWO FINAL HISTORIES EXCLUDE EACH OTHER ({ids}): more authorities signed both than the policy "
            "survives, and this machine signs nothing any more (F1)",
            "see `asl evidence` and `asl floor`, and agree with the others which history is yours",
        )
    if core.get("is_witness") and not core.get("hears_quorum", True):
        yield _warning(
            "this witness hears no quorum of the authorities: it could be replaced without hearing of it",
            "",
            attention=False,
        )
    if (reason := core.get("not_emitting_because")) and core.get("stale_reason") is None:
        yield _warning(f"this witness emits nothing: {reason}", "", attention=False)
    if reason := core.get("held_back"):
        yield _warning(f"this machine endorses nothing more for now: {reason}", "", attention=False)
    refused: dict[str, list[str]] = {}
    for name, text in core.get("refused_by", {}).items():
        refused.setdefault(text, []).append(name)
    for text, names in refused.items():
        unwanted = alone or not core.get("admitted")
        remedy = "ask one of them why" if unwanted else ""
        yield _warning(f"{', '.join(sorted(names))} ended the link: {text}", remedy, attention=unwanted)


def _warning(text: str, remedy: str, *, attention: bool = True) -> dict[str, Any]:
    return {"text": text, "remedy": remedy, "attention": attention}
