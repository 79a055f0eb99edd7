"""`asl status` and `asl peers`: what is going on, in as few lines as it takes."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import click

from aslp2p.cli.attention import attention
from aslp2p.cli.floor import waiting_line
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, quoted, say, say_json, sentence, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.silence import silence_words
from aslp2p.cli.source import existing_home, open_source
from aslp2p.errors import NeedsAttention, UsageError, UserError

ATTENTION = NeedsAttention.exit_code
_CONFLICTS_SHOWN = 10


@click.command("status", cls=Command)
@pass_settings
def status_command(settings: Settings) -> None:
    """What is going on. Ends with 4 when a person has to decide something."""
    with open_source(settings) as source:
        answer = source.status()
    commons: list[dict[str, Any]] = answer["commons"]
    if not commons:
        raise UserError("this home follows no Common", remedy="type `asl init NAME` or `asl join INVITE`")
    chosen = _chosen(commons, settings.common)
    wanting = [
        {"common": one["name"], "text": text, "remedy": remedy}
        for one in commons
        for text, remedy in attention(one)
    ]
    if settings.json:
        say_json({**answer, "selected": chosen["id"], "attention": wanting})
    else:
        for line in status_lines(chosen, answer["daemon"]):
            say(line)
        if answer["daemon"] is None and (retired := _retired(settings)):
            say(f"Retired: {retired}")
        elif answer["daemon"] is None:
            say("Daemon: not running; start it with: asl up")
        elif unseen := answer["daemon"].get("unseen"):
            say(f"Notices: {unseen} not seen yet: asl notices")
        for other in commons:
            if other is not chosen:
                say(f"Also: {headline(other)}")
        for one in wanting:
            say(f"Attention: {one['common']}: {one['text']}{'; ' if one['remedy'] else ''}{one['remedy']}")
    if wanting:
        raise click.exceptions.Exit(ATTENTION)


def _retired(settings: Settings) -> str:
    """Why a stopped home does not sign, if it does not (S11)."""
    from aslp2p.home.retired import HomeRetired, require_active

    try:
        require_active(existing_home(settings))
    except HomeRetired as retired:
        return f"{retired.message}; {retired.remedy}"
    return ""


def headline(common: dict[str, Any]) -> str:
    """`home@42 (witness: you)`."""
    if common.get("fault"):
        return f"{common['name']} (cannot be read)"
    if common["height"] is None:
        return f"{common['name']} (joining: nothing of its history has arrived yet)"
    return f"{common['name']}@{common['height']} (witness: {common['witness']['shown']})"


def status_lines(common: dict[str, Any], daemon: dict[str, Any] | None) -> list[str]:
    """What to say about one Common, the version and the witness first."""
    lines = [f"Common: {headline(common)}"]
    live: dict[str, Any] = common.get("live") or {}
    if common["height"] is not None:
        lines += _history_lines(common, live)
    if daemon is None:
        return lines
    for folder in common.get("folders", ()):
        lines += _folder_lines(folder)
    if daemon.get("foreign") and is_own_and_empty(common) and not live.get("links"):
        where = daemon["foreign"][0]["addresses"][0]
        lines.append(
            f"Note: this Common is empty, and another one is announced at {where}: if you meant to join "
            "that one, type there: asl invite, and here: asl join CODE"
        )
    names = Counter(link["name"] or link["key"][8:16] for link in live.get("links", []))
    peers = [name if count == 1 else f"{name} ({count} links)" for name, count in names.items()]
    lines.append(f"Peers: {', '.join(peers)}" if peers else "Peers: none reachable now")
    lines += [f"Note: {one['text']}" for one in live.get("warnings", []) if not one["attention"]]
    return lines


def _folder_lines(folder: dict[str, Any]) -> list[str]:
    """What is amiss in a folder that follows: a conflict file is named until it or its original is gone."""
    lines = [f"Folder: {folder['problem']}"] if folder["problem"] else []
    conflicts = folder["conflicts"]
    lines += [f"Conflict: {os.path.join(folder['folder'], path)}" for path in conflicts[:_CONFLICTS_SHOWN]]
    if len(conflicts) > _CONFLICTS_SHOWN:
        lines.append(f"Conflict: {len(conflicts) - _CONFLICTS_SHOWN} more in {folder['folder']}")
    return lines


def _history_lines(common: dict[str, Any], live: dict[str, Any]) -> list[str]:
    lines = []
    if common["note"]:
        lines.append(f"Note: {common['note']}")
    lines += pinned_lines(common)
    lines += floor_lines(common)
    if names := common.get("may_become_authorities"):
        lines.append(
            "Note: this machine is the one authority: if its key is lost, nobody can replace the witness; "
            f"with three any two could: asl authority add {' '.join(map(quoted, names))}"
        )
    if common.get("predecessor"):
        lines.append(f"Note: this Common succeeds {common['predecessor'][:12]}, its predecessor")
    if common["final"]:
        lines.append(f"final @{common['final']}")
    if catching := live.get("catch_up"):
        lines.append(f"Catching up: @{common['height']} of @{catching['target']}")
    if fetching := sum((live.get("fetching") or {}).values()):
        lines.append(f"Fetching: {count_text(fetching, 'piece')} of content still to come")
    if common["audited"] < common["height"]:
        lines.append(f"audited to @{common['audited']}")
    lines += _succession_lines(common)
    if common["standing"] != "admitted":
        lines.append(
            "This machine: not admitted yet"
            if common["standing"] == "unknown"
            else f"This machine: {common['standing']}"
        )
    if common["pending"]:
        waits = "waits" if common["pending"] == 1 else "wait"
        lines.append(
            f"Pending: {count_text(common['pending'], 'proposal')} {waits} for the witness "
            f"({common['witness']['shown']})"
        )
    if common["rejected"]:
        lines.append(f"Refused: {common['rejected']} of yours; see why with: asl proposals")
    return lines


def floor_lines(common: dict[str, Any]) -> list[str]:
    """What it waits for, that a person moved it, and what retired keys signed (F5)."""
    floor: dict[str, Any] = common.get("floor") or {}
    lines = []
    if waiting := floor.get("waits_for"):
        lines.append(waiting_line(common["name"], waiting))
    if moves := floor.get("moves"):
        to, at = moves[-1]["to"]["height"], when(moves[-1]["at_ms"])
        lines.append(f"Note: the floor was moved by hand to @{to} on {at}: asl floor")
    if retired := floor.get("retired"):
        names = ", ".join(sorted({key["shown"] for one in retired for key in one["signed_by"]}))
        lines.append(
            f"Note: retired keys signed another history ({names}), which counts for nothing: asl floor"
        )
    return lines


def pinned_lines(common: dict[str, Any]) -> list[str]:
    """What reading is pinned to, if it is."""
    pinned = common.get("pinned")
    if pinned is None:
        return []
    if pinned["height"] is None:
        return ["Pinned: to a version that is not here any more; follow the newest again with: asl unpin"]
    left = ", which the history has left behind since" if pinned["superseded"] else ""
    return [
        f"Pinned: reading stays at {common['name']}@{pinned['height']}{left}; "
        "follow the newest again with: asl unpin"
    ]


def _succession_lines(common: dict[str, Any]) -> list[str]:
    """Who stepped down, how long the witness is silent, what is under way and waits for others."""
    lines = []
    if down := common.get("stepped_down"):
        lost = count_text(down["superseded"], "snapshot")
        lines.append(
            f"Note: this machine stepped down: the witness since {common['name']}@{down['height']} is "
            f"{down['witness']['shown']}"
            + (f"; {lost} of its own superseded: asl log --superseded" if down["superseded"] else "")
        )
    if silence := silence_words(common):
        lines.append(f"Silence: {silence}")
    if (live := common.get("live")) and live.get("is_authority"):
        lines += _finality_lines(common, live.get("endorsed_epoch", -1))
    if settling := common.get("settlement"):
        lines.append(_settling_line(settling))
    for one in common.get("papers", ()):
        if one["id"] not in common["offers"]:
            lines.append(f"Open: {sentence(one['author'], one['words'])} ({one['paper']['progress']})")
    return lines


def _settling_line(settling: dict[str, Any]) -> str:
    change = f"Policy: the change of @{settling['height']} is"
    if settling["final"]:
        return f"{change} final and waits for the witness to settle it; {settling['takeover']}"
    return f"{change} settling, both policies count until it has; cosigned by {settling['progress']}"


def _finality_lines(common: dict[str, Any], endorsed: int) -> list[str]:
    """S4: having endorsed a succession, this machine cosigns nothing of an epoch below it."""
    if endorsed > common["epoch"]:
        bound = [one for one in common.get("papers", ()) if one["paper"].get("epoch") == endorsed]
        return [_bound_line(one) for one in bound[:1]] or [
            "Finality: waits until the witness has renewed itself, as this machine has endorsed what came to "
            "nothing (S4, S12); if it does not, ask for a new one: asl recover"
        ]
    if endorsed > common["head_epoch"]:
        return [f"Finality: waits for the first snapshot of {common['witness']['shown']}"]
    return []


def _bound_line(one: dict[str, Any]) -> str:
    """For whom finality waits, where this machine has endorsed what is still open, and what ends that."""
    back = f"; to take it back: asl withdraw {one['id'][:8]}" if one["author"]["self"] else ""
    if one["paper"]["over"]:
        what = "a rotation that nobody can carry out any more"
        ends = back or "; the witness renews itself within a round, if it is there"
    else:
        what, ends = f"a succession that is still open ({one['paper']['progress']})", back
    return f"Finality: waits, as this machine has endorsed {what}{ends}"


def _chosen(commons: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The Common to tell about: the one named, the default, or the first."""
    if wanted:
        matching = [
            one
            for one in commons
            if wanted == one["name"] or (len(wanted) >= 4 and one["id"].startswith(wanted))
        ]
        if len(matching) != 1:
            raise UsageError(
                f"{'several Commons are' if matching else 'no Common here is'} called {wanted!r}",
                remedy="see `asl common list`",
            )
        return matching[0]
    return next((one for one in commons if one["default"]), commons[0])


def is_own_and_empty(common: dict[str, Any]) -> bool:
    """Whether a Common, as `status` tells of it, holds its founder and nothing else."""
    return common["height"] == 0 and common.get("members") == 1 and bool(common["witness"]["self"])
