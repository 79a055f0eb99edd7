"""`asl log`, `show`, `diff`, `proposals`: reading the history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_path
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, erased_mark, say, say_json, sentence, table, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, open_source
from aslp2p.cli.versions import at_option, file_meant, parse_version, require_version, split_version
from aslp2p.errors import UsageError, UserError

_HEX = frozenset("0123456789abcdef")
_MARKS = {"added": "+", "changed": "~", "removed": "-"}


@click.command("log", cls=Command)
@click.argument("path", default="", metavar="[PATH][@N]", shell_complete=complete_path)
@click.option("-n", "--count", type=click.IntRange(1), help="Only the newest N.")
@click.option("--before", metavar="@N", help="Only versions below @N.")
@click.option("--superseded", is_flag=True, help="What the history left behind instead.")
@pass_settings
def log_command(
    settings: Settings, path: str, count: int | None, before: str | None, superseded: bool
) -> None:
    """The history up to @N, newest first; with PATH what changed it, or anything below it."""
    wanted, version = split_version(path)
    if before is not None and version is not None:
        raise UsageError(f"@{version} and --before {before} are two ends", remedy="name one of them")
    start = None if before is None else require_version(before)
    with open_source(settings) as source:
        if superseded:
            _say_all_superseded(settings, source.ask("superseded"))
            return
        if version is not None:
            start = source.ask("show", at=version)["height"] + 1
        snapshots = _log(source, wanted, count, start)
        if settings.json:
            say_json({"snapshots": list(snapshots)})
            return
        found = False
        for one in snapshots:
            found = True
            witness = one["witness"]["shown"]
            mark = f"  ** {one['transition']} **" if one["transition"] else ""
            say(f"@{one['height']}  {when(one['created_ms'])}  witness {witness}  {one['id'][:12]}{mark}")
            for action in one["actions"]:
                again = ", WHICH WAS ERASED" if action["revives"] else ""
                say(f"    {sentence(action['author'], action['words'])}{again}")
            if (more := one["count"] - len(one["actions"])) > 0:
                say(f"    and {more} more: asl show @{one['height']}")
        if wanted and not found:
            raise UserError(f"nothing at {wanted} ever changed", remedy="see what there is with `asl ls`")


def _say_all_superseded(settings: Settings, answer: dict[str, Any]) -> None:
    if settings.json:
        say_json(answer)
        return
    if not answer["superseded"]:
        say("Nothing was left behind.")
    for one in answer["superseded"]:
        given_up = "  GIVEN UP" if one["given_up"] else ""
        given_up += "  by RETIRED KEYS" if one["retired"] else ""
        cosigned = f", cosigned by {_names(one['cosigned_by'])}" if one["cosigned_by"] else ""
        say(
            f"@{one['height']}  {when(one['created_ms'])}  witness {one['witness']['shown']}, "
            f"epoch {one['epoch']}  {one['id'][:12]}{cosigned}{given_up}"
        )
        for proposal in one["proposals"]:
            where = "waits again" if proposal["height"] is None else f"now in @{proposal['height']}"
            say(f"    {sentence(proposal['author'], proposal['words'])}: {where}")
        if (more := one["count"] - len(one["proposals"])) > 0:
            say(f"    and {more} more")


def _log(source: Source, path: str, count: int | None, before: int | None) -> Iterator[dict[str, Any]]:
    left = count
    while True:
        page = source.ask("log", before=before, path=path)
        for one in page["snapshots"]:
            if left == 0:
                return
            left = None if left is None else left - 1
            yield one
        if page["next"] is None:
            return
        before = page["next"]


@click.command("show", cls=Command)
@click.argument("what", default="", shell_complete=complete_path)
@at_option
@pass_settings
def show_command(settings: Settings, what: str, at: int | None) -> None:
    """One version (@N), file (PATH@N), proposal or snapshot (4 or more digits of its id); else the newest."""
    with open_source(settings) as source:
        answer = _shown(source, what, at)
    if settings.json:
        say_json(answer)
        return
    kind = answer["kind"]
    printer = {
        "entry": _say_entry,
        "proposal": _say_proposal,
        "genesis": _say_genesis,
        "superseded": _say_superseded,
    }
    printer.get(kind, _say_snapshot)(answer)


def _shown(source: Source, what: str, at: int | None) -> dict[str, Any]:
    version = parse_version(what) if what else at
    if version is not None or not what:
        return _whole(source, version)
    path, version = file_meant(source, what, at)
    try:
        return {"kind": "entry", **source.ask("entry", path=path, at=version)}
    except UserError:
        if version is not None or len(what) < 4 or set(what) - _HEX:
            raise
    return source.ask("find", id=what)


def _whole(source: Source, version: int | None) -> dict[str, Any]:
    answer = source.ask("show", at=version)
    after = answer["next"]
    while after is not None:
        page = source.ask("show", at=answer["height"], after=after)
        answer["proposals"] += page["proposals"]
        after = page["next"]
    return {**answer, "next": None}


def _say_snapshot(answer: dict[str, Any]) -> None:
    say(f"Version:   @{answer['height']}{' (final)' if answer['final'] else ''}")
    say(f"Id:        {answer['id']}")
    say(f"Follows:   {answer['previous']}")
    say(f"Witness:   {answer['witness']['shown']} ({answer['witness']['key']}), epoch {answer['epoch']}")
    say(f"Emitted:   {when(answer['created_ms'])}")
    say(f"Log:       {count_text(answer['log_size'], 'proposal')}, root {answer['log_root']}")
    if certificate := answer["certificate"]:
        say(f"Authority: {sentence(certificate['author'], certificate['words'])}")
        say(f"           endorsed by {_names(certificate['endorsed_by'])}")
        say(f"           proposal {certificate['id']}")
    if answer["settlement"]:
        say(f"Settles the policy change: cosigned by {_names(answer['settlement'])}")
    if answer["cosigned_by"]:
        say(f"Cosigned:  {_names(answer['cosigned_by'])}")
    for proposal in answer["proposals"]:
        say(f"  {proposal['id'][:12]}  {sentence(proposal['author'], proposal['words'])}")


def _say_genesis(answer: dict[str, Any]) -> None:
    say(f"Version:   @0, the genesis of {answer['name']}")
    say(f"Id:        {answer['id']}")
    say(f"Witness:   {answer['witness']['shown']} ({answer['witness']['key']})")
    say(f"Founded:   {when(answer['created_ms'])}")
    if answer["predecessor"]:
        say(f"Succeeds:  {answer['predecessor']}")
    policy = answer["policy"]
    say(f"Policy:    {policy['threshold']} of {len(policy['witnesses'])}")
    for anchor in answer["anchors"]:
        say(f"Anchor:    {anchor['shown']} ({anchor['key']})")


def _say_superseded(answer: dict[str, Any]) -> None:
    say(f"Version:   @{answer['height']}, superseded: the history went another way")
    say(f"Id:        {answer['id']}")
    say(f"Witness:   {answer['witness']['shown']} ({answer['witness']['key']}), epoch {answer['epoch']}")


def _say_entry(answer: dict[str, Any]) -> None:
    say(f"Path:      {answer['path']}")
    say(f"Version:   @{answer['height']} (as of @{answer['at']})")
    executable = ", executable" if answer["executable"] else ""
    say(f"Size:      {size_text(answer['size'])} ({answer['size']} bytes){executable}")
    if answer["media_type"]:
        say(f"Type:      {answer['media_type']}")
    say(f"Content:   {answer['content']}{'' if answer['here'] else ' (not here yet)'}")
    say(f"Put by:    {answer['author']['shown']}, {when(answer['created_ms'])}")
    say(f"Proposal:  {answer['proposal']}")


def _say_proposal(answer: dict[str, Any]) -> None:
    say(f"Proposal:  {answer['id']}")
    say(f"Author:    {answer['author']['shown']} ({answer['author']['key']})")
    say(f"Made:      {when(answer['created_ms'])}")
    say(f"Does:      {answer['words']}")
    paper = answer.get("paper") or {}
    for words in paper.get("changes", ()):
        if words not in answer["words"]:
            say(f"           {words}")
    if answer["height"] is not None:
        say(f"State:     in @{answer['height']}")
    elif answer.get("state") == "rejected":
        say(f"State:     refused by {answer['by']['shown']}: {answer['reason']} ({answer['code']})")
    elif answer.get("state") == "pending":
        say(f"State:     {paper['progress'] if paper else 'waits for the witness'}")
    else:
        say("State:     not in the history")
    if paper.get("may_endorse"):
        say(f"           to endorse it: {paper['command']}")


def _names(parties: list[dict[str, Any]]) -> str:
    return ", ".join(party["shown"] for party in parties)


@click.command("diff", cls=Command)
@click.argument("first", default="", metavar="[@A]")
@click.argument("second", default="", metavar="[@B]")
@pass_settings
def diff_command(settings: Settings, first: str, second: str) -> None:
    """What changed from @A to @B; @B is the newest unless given, @A the one before @B."""
    with open_source(settings) as source:
        high = require_version(second) if second else int(source.ask("show")["height"])
        low = require_version(first) if first else max(0, high - 1)
        answer = _diff(source, low, high)
    if settings.json:
        say_json(answer)
        return
    rows = []
    for change in answer["changes"]:
        entry = change["now"] or change["before"]
        size = size_text(change["now"]["size"]) if change["now"] else ""
        erased = [erased_mark(one) for one in (change["before"], change["now"]) if one is not None]
        rows.append((_MARKS[change["change"]], size, entry["path"] + next(filter(None, erased), "")))
    table(rows)


def _diff(source: Source, low: int, high: int) -> dict[str, Any]:
    answer = source.ask("diff", first=low, second=high)
    after = answer["next"]
    while after is not None:
        page = source.ask("diff", first=low, second=high, after=after)
        require_same_history(answer, page)
        answer["changes"] += page["changes"]
        after = page["next"]
    return {**answer, "next": None}


def require_same_history(first: dict[str, Any], later: dict[str, Any]) -> None:
    """Raises `UserError` when two pages of one list were read from different histories."""
    if first["snapshot"] != later["snapshot"]:
        raise UserError("the history moved to another branch meanwhile", remedy="type it again")


@click.command("proposals", cls=Command)
@click.option("--pending", "state", flag_value="pending", help="Only what waits.")
@click.option("--rejected", "state", flag_value="rejected", help="Only what was refused.")
@pass_settings
def proposals_command(settings: Settings, state: str | None) -> None:
    """What waits for the witness or for endorsements, and what was refused and why; your own first."""
    with open_source(settings) as source:
        answer = source.ask("proposals", state=state or "")
    if settings.json:
        say_json(answer)
        return
    if not answer["proposals"]:
        say("Nothing waits, and nothing was refused.")
    for one in answer["proposals"]:
        say(f"{one['id'][:12]}  {one['state']}  {sentence(one['author'], one['words'])}")
        if one["state"] == "rejected":
            say(f"              refused by {one['by']['shown']}: {one['reason']} ({one['code']})")
        elif paper := one["paper"]:
            say(f"              {paper['progress']}")
            if paper["may_endorse"]:
                say(f"              to endorse it: {paper['command']}")
    total = (0 if state == "rejected" else answer["pending"]) + (
        0 if state == "pending" else answer["rejected"]
    )
    if total > len(answer["proposals"]):
        say(f"and {total - len(answer['proposals'])} more")
