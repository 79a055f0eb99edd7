"""What a person has to decide, and what to type: the last lines of `asl status`."""

from __future__ import annotations

from typing import Any

from aslp2p.cli.output import count_text, sentence


def attention(common: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person has to decide: what it is, and what to type."""
    live: dict[str, Any] = common.get("live") or {}
    wanting: list[tuple[str, str]] = []
    if fault := common.get("fault"):
        wanting.append((f"cannot be read: {fault['message']}", fault["remedy"] or "see `asl fsck`"))
    wanting += [
        (one["text"], one.get("remedy", "")) for one in live.get("warnings", []) if one.get("attention")
    ]
    wanting += [
        (f"{sentence(one['author'], one['words'])} ({one['paper']['progress']})", one["paper"]["command"])
        for one in common.get("papers", ())
        if one["id"] in common["offers"]
    ]
    if common.get("stale"):
        wanting.append(_stale(common))
    is_authority = "authority" in common.get("roles", ())
    wanting += [_accused(one, common, is_authority) for one in common.get("accused", ())]
    if is_authority and (dead := common.get("dead_authorities")):
        for one in dead:
            name = one["name"]
            wanting.append(
                (f"the key of authority {name} was revoked", f"asl policy replace-key '{name}' --key KEY")
            )
    if reason := live.get("read_only"):
        wanting.append((f"read-only: {reason}", "" if ";" in reason else "make room, or look at the disk"))
    for folder in common.get("folders", ()):
        if folder["braked"]:
            held = count_text(folder["held"], "file")
            gone = f"{folder['braked']} of {held} are gone from {folder['folder']}"
            wanting.append((gone, f"if that is meant, type: asl folder approve {folder['folder']}"))
    if common.get("standing") in ("expelled", "revoked"):
        wanting.append((f"this machine's key was {common['standing']}", "ask a member why"))
    return wanting


def _accused(one: dict[str, Any], common: dict[str, Any], is_authority: bool) -> tuple[str, str]:
    """F3: a witness that signed two histories; everybody asks for revocation, loudly."""
    who = "this machine's key" if one.get("self") else one["shown"]
    text = f"{who} HAS SIGNED TWO HISTORIES, and can be trusted with nothing"
    revoked = [paper.get("action", {}).get("revoked") for paper in common.get("papers", ())]
    if one.get("key") in revoked and one.get("key"):
        return text, "its revocation is proposed: asl proposals; why: asl evidence"
    if is_authority and not one.get("self"):
        return text, "revoke its key: asl evidence says what to type"
    return text, "tell the authorities: asl evidence"


def _stale(common: dict[str, Any]) -> tuple[str, str]:
    """S11: why this key signs no promises any more, and what its owner does about it."""
    text = f"this machine's key endorses, cosigns and emits nothing any more (S11): {common['stale']}"
    if common["only_authority"]:
        return text, "if its journal is whole and this is the only copy: asl vouch"
    if "authority" in common["roles"]:
        return text, "bring a new key in: asl policy replace-key"
    if "witness" in common["roles"]:
        return text, "let the authorities replace it: asl recover, typed by one of them"
    return text, "give this machine a key of its own: a new home, and asl join"
