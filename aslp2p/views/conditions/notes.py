"""What is good to know of a Common, and of the folders that follow it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.views.conditions.phrases import count_text, when
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.table import Condition


def one_authority(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What it means that one key is the authority, once two others could be."""
    if names := common.get("may_become_authorities"):
        add = scope.typed("authority add", *names)
        text = (
            "this machine is the one authority: if its key is lost, nobody can replace the witness; with "
            "three any two could"
        )
        yield scope.make("one-authority", text, "", add)


def another_common(answer: dict[str, Any], common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """That this Common may be a mistake: it is empty, and another one is announced on the network."""
    foreign = (answer["daemon"] or {}).get("foreign")
    if foreign and is_own_and_empty(common) and not common["live"].get("links"):
        text = (
            f"this Common is empty, and another one is announced at {foreign[0]['addresses'][0]}: if you "
            "meant to join that one, type there: asl invite, and here: asl join CODE"
        )
        yield scope.make("another-common", text)


def is_own_and_empty(common: dict[str, Any]) -> bool:
    """Whether a Common, as `status` tells of it, holds its founder and nothing else."""
    return common["height"] == 0 and common.get("members") == 1 and bool(common["witness"]["self"])


def pinned(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What reading is pinned to, if it is."""
    pin = common.get("pinned")
    if pin is None:
        return
    if pin["height"] is None:
        text = "to a version that is not here any more"
    else:
        left = ", which the history has left behind since" if pin["superseded"] else ""
        text = f"reading stays at {common['name']}@{pin['height']}{left}"
    yield scope.make("pinned", text, "follow the newest again with: {}", scope.typed("unpin"))


def few_copies(live: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What this machine is not to keep and keeps, since too few others do."""
    last = (live.get("keeping") or {}).get("last") or {}
    if few := last.get("few"):
        others = count_text(last["copies"], "other machine")
        keep = "keeps" if last["copies"] == 1 else "keep"
        text = f"{count_text(few, 'content')} cannot go from here: fewer than {others} {keep} them"
        yield scope.make("few-copies", text, "look again: {}", scope.typed("prune"))


def folders(common: dict[str, Any], scope: Scope, shown: int = 10) -> Iterator[Condition]:
    """What is amiss in folders that follow: a conflict file is named until it or its original is gone."""
    for one in common.get("folders", ()):
        folder, conflicts = one["folder"], one["conflicts"]
        if one["problem"]:
            yield scope.make("folder", one["problem"], "", what=folder)
        for path in conflicts[:shown]:
            yield scope.make("conflict-file", f"{folder.rstrip('/')}/{path}", what=f"{folder} {path}")
        if len(conflicts) > shown:
            more = f"{len(conflicts) - shown} more in {folder}"
            yield scope.make("conflict-file", more, what=folder)


def of_history(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """What became of this machine's office, of its proposals, and of the floor (F5)."""
    if down := common.get("stepped_down"):
        since = f"the witness since {common['name']}@{down['height']} is {down['witness']['shown']}"
        text = f"this machine stepped down: {since}"
        if down["superseded"]:
            text += f"; {count_text(down['superseded'], 'snapshot')} of its own superseded"
            yield scope.make("stepped-down", text, "", scope.typed("log --superseded"))
        else:
            yield scope.make("stepped-down", text)
    if count := common.get("rejected"):
        why = "see why with: {}"
        yield scope.make("rejected", f"{count} of yours", why, scope.typed("proposals"))
    floor: dict[str, Any] = common.get("floor") or {}
    if moves := floor.get("moves"):
        to, at = moves[-1]["to"]["height"], when(moves[-1]["at_ms"])
        text = f"the floor was moved by hand to @{to} on {at}"
        yield scope.make("floor-moved", text, "", scope.typed("floor"))
    if retired := floor.get("retired"):
        names = ", ".join(sorted({key["shown"] for one in retired for key in one["signed_by"]}))
        text = f"retired keys signed another history ({names}), which counts for nothing"
        yield scope.make("retired-keys", text, "", scope.typed("floor"))


def finality(common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """S4: having endorsed a succession, this machine cosigns nothing of an epoch below it."""
    live = common["live"]
    endorsed = live.get("endorsed_epoch", -1)
    if not live.get("is_authority"):
        return
    if endorsed > common["epoch"]:
        bound = [one for one in common.get("papers", ()) if one["paper"].get("epoch") == endorsed]
        if bound:
            yield _bound(bound[0], scope)
            return
        text = (
            "waits until the witness has renewed itself, as this machine has endorsed what came to nothing "
            "(S4, S12)"
        )
        ask = "if it does not, ask for a new one: {}"
        yield scope.make("finality", text, ask, scope.typed("recover"))
    elif endorsed > common["head_epoch"]:
        yield scope.make("finality", f"waits for the first snapshot of {common['witness']['shown']}")


def _bound(one: dict[str, Any], scope: Scope) -> Condition:
    """For whom finality waits, where this machine has endorsed what is still open, and what ends that."""
    back = (scope.typed("withdraw", one["id"][:8]),) if one["author"]["self"] else ()
    text = "waits, as this machine has endorsed "
    if one["paper"]["over"]:
        text += "a rotation that nobody can carry out any more"
        renews = "the witness renews itself within a round, if it is there"
        return scope.make("finality", text, "to take it back: {}" if back else renews, *back)
    text += f"a succession that is still open ({one['paper']['progress']})"
    return scope.make("finality", text, "to take it back: {}" if back else "", *back)
