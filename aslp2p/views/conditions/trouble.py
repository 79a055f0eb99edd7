"""What does not work in a Common, and what waits for a person's decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.views.conditions.phrases import count_text, quoted, sentence
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.table import Condition

_FSCK = "type `{}`, then `{}`"
_SIGNING = {"authority", "witness"}


def unreadable(common: dict[str, Any], scope: Scope, *, runs: bool) -> Iterator[Condition]:
    """Its store cannot be read, or none could be opened."""
    fault = common.get("fault")
    if not fault:
        return
    text, remedy = f"cannot be read: {fault['message']}", fault["remedy"] or "see `asl fsck`"
    if "asl fsck" not in remedy:
        yield scope.make("unreadable", text, remedy)
    elif runs:  # fsck wants the stores to itself
        yield scope.make("unreadable", text, _FSCK, "asl down", "asl fsck")
    else:
        yield scope.make("unreadable", text, "run `{}`", "asl fsck")


def of_node(live: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What the running node says is amiss."""
    if reason := live.get("stopped"):
        text = f"this Common is stopped: {reason}"
        yield scope.make("stopped", text, "see the daemon's log; then {} and {}", "asl down", "asl up")
    if reason := live.get("outdated"):
        text = f"the history goes on where this version cannot follow: {reason}"
        yield scope.make("newer", text, "install a newer one; this one: {}", "asl version")
    if damaged := live.get("damaged"):
        text = f"{count_text(len(damaged), 'artifact was', 'artifacts were')} damaged on disk"
        yield scope.make("damaged", text, _FSCK, "asl down", "asl fsck --repair")
    elif text := live.get("found_damaged", ""):
        yield scope.make("damaged", text, _FSCK, "asl down", "asl fsck --repair")
    if at := live.get("twin_at"):
        text = f"another machine at {at} has a copy of this machine's key: neither may sign any more"
        stop = "stop one of them, here with {}, and give it a key of its own"
        yield scope.make("copied-key", text, stop, "asl down")
    for name in live.get("copied", ()):
        text = f"two machines speak with the key of {name}: neither may sign any more (S11)"
        new = f"stop one of them for good; `asl status` on the machines of {name} says how to get a new key"
        yield scope.make("copied-member", text, new, what=name)
    if conflict := live.get("conflict"):
        ids = " and ".join(id_[:12] for id_ in conflict)
        yield scope.make(
            "two-finals",
            f"TWO FINAL HISTORIES EXCLUDE EACH OTHER ({ids}): more authorities signed both than the policy "
            "survives, and this machine signs nothing any more (F1)",
            "see `{}` and `{}`, and agree with the others which history is yours",
            scope.typed("evidence"),
            scope.typed("floor"),
            what=" ".join(sorted(conflict)),
        )
    yield from _refused(live, scope)
    if reason := live.get("read_only"):
        full = "" if ";" in reason else "make room, or look at the disk: {}"
        yield scope.make("read-only", f"read-only: {reason}", *((full, scope.typed("df")) if full else ()))


def _refused(live: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """Who ended links with this machine, and why; it matters where nobody else keeps one."""
    refused: dict[str, list[str]] = {}
    for name, text in live.get("refused_by", {}).items():
        refused.setdefault(text, []).append(name)
    unwanted = not live.get("links") or not live.get("admitted", True)
    full = live.get("refusals", {}).get("no-room")
    for text, names in sorted(refused.items()):
        said = f"{', '.join(sorted(names))} ended the link: {text}"
        if unwanted and text != full:  # that says something of their machine, and nothing of this one
            yield scope.make("refused", said, "ask one of them why", what=text)
        else:
            yield scope.make("link-ended", said, what=text)


def decisions(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What a person has to decide."""
    for one in common.get("papers", ()):
        if one["id"] in common["offers"]:
            text = f"{sentence(one['author'], one['words'])} ({one['paper']['progress']})"
            command = one["paper"]["command"] + scope.flag
            yield scope.make("endorse", text, "{}", command, what=one["id"])
    if common.get("stale"):
        yield _marked(common, scope)
    for one in common.get("accused", ()):
        yield _accused(one, common, scope)
    if "authority" in common.get("roles", ()):
        for one in common.get("dead_authorities", ()):
            yield _dead(one["name"], common.get("candidates", ()), scope)
    for folder in common.get("folders", ()):
        if folder["braked"]:
            held = count_text(folder["held"], "file")
            text = f"{folder['braked']} of {held} are gone from {folder['folder']}"
            approve = f"asl folder approve {quoted(folder['folder'])}"
            yield scope.make("emptied", text, "if that is meant, type: {}", approve, what=folder["folder"])
    if (standing := common.get("standing")) in ("expelled", "revoked"):
        forget = f"asl common forget {quoted(common['name']) if not scope.flag else common['id'][:12]}"
        text = f"this machine's key was {standing}"
        yield scope.make("out", text, "ask a member why; to remove it here: {}", forget)


def _marked(common: dict[str, Any], scope: Scope) -> Condition:
    """S11: why this key signs no promises any more, and what its owner does about it."""
    text = f"this machine's key endorses, cosigns and emits nothing any more (S11): {common['stale']}"
    roles = common.get("roles", ())
    code = "key-idle" if _SIGNING.isdisjoint(roles) else "key-marked"
    if common["only_authority"]:
        sole = "if its journal is whole and this is the only copy: {}"
        return scope.make(code, text, sole, scope.typed("vouch"))
    if "authority" in roles:
        return scope.make(code, text, "bring a new key in: {}", scope.typed("policy replace-key"))
    if "witness" in roles:
        return scope.make(code, text, "let the authorities replace it: asl recover, typed by one of them")
    return scope.make(code, text, "give this machine a key of its own: a new home, and asl join")


def _accused(one: dict[str, Any], common: dict[str, Any], scope: Scope) -> Condition:
    """F3: a witness that signed two histories; everybody asks for revocation, loudly."""
    who, key = "this machine's key" if one.get("self") else one["shown"], one.get("key", "")
    text = f"{who} HAS SIGNED TWO HISTORIES, and can be trusted with nothing"
    revoked = [paper.get("action", {}).get("revoked") for paper in common.get("papers", ())]
    why = scope.typed("evidence")
    if key and key in revoked:
        proposed = "its revocation is proposed: {}; why: {}"
        return scope.make("two-histories", text, proposed, scope.typed("proposals"), why, what=key)
    if "authority" in common.get("roles", ()) and not one.get("self"):
        return scope.make("two-histories", text, "revoke its key: {} says what to type", why, what=key)
    return scope.make("two-histories", text, "tell the authorities: {}", why, what=key)


def _dead(name: str, candidates: list[str], scope: Scope) -> Condition:
    """V8: the place of a revoked key is to be given to another."""
    text = f"the key of authority {name} was revoked"
    if candidates:
        give = scope.typed("authority replace", name, candidates[0])
        return scope.make("dead-authority", text, "give its place to a member: {}", give, what=name)
    new = f"let a new machine in, and give it the place (asl authority replace {quoted(name)} NEW): "
    new = new.replace("{", "{{").replace("}", "}}") + "{}"
    return scope.make("dead-authority", text, new, scope.typed("invite"), what=name)
