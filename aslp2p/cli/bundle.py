"""`asl bundle`: a Common, or a part of it, as a file that travels (section 10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_file
from aslp2p.cli.group import Group
from aslp2p.cli.output import count_text, note, say, say_json, sentence
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_source
from aslp2p.cli.versions import require_version
from aslp2p.errors import UsageError, UserError

_REFUSED_SHOWN = 10
emit_option = click.option(
    "--emit",
    is_flag=True,
    help="Let a stopped witness emit although it hears nobody: it may have been replaced meanwhile (S10).",
)


@click.group("bundle", cls=Group)
def bundle_command() -> None:
    """A Common, or a part of it, as a file: for sticks, mail, and machines without a network."""


@bundle_command.command("create")
@click.option("-o", "--output", "path", required=True, metavar="FILE", help="The file to write.")
@click.option("--since", metavar="@N", help="What came after @N: for those who have it up to there.")
@click.option("--until", metavar="@M", help="And not what came after @M.")
@click.option("--proposal", metavar="ID", help="One proposal with what it takes to judge it.")
@click.option("--endorsements", metavar="ID", help="One proposal and the endorsements of it, nothing else.")
@click.option(
    "--contents/--no-contents",
    default=None,
    help="With the contents of files or without; a single proposal goes without.",
)
@pass_settings
def create_command(
    settings: Settings,
    path: str,
    since: str | None,
    until: str | None,
    proposal: str | None,
    endorsements: str | None,
    contents: bool | None,
) -> None:
    """Write a bundle: of the whole Common, or of what the options choose."""
    from aslp2p.transfer.export import (
        select_endorsements,
        select_everything,
        select_proposal,
        select_since,
        write_bundle,
    )

    if proposal and endorsements:
        raise UsageError("--proposal and --endorsements are two bundles", remedy="name one of them")
    if endorsements and (since or contents):
        raise UsageError("--endorsements takes nothing else along", remedy="use --proposal")
    if until and (proposal or endorsements):
        raise UsageError("--until is for the history", remedy="leave it out")
    first = require_version(since) if since else None
    last = require_version(until) if until else None
    with open_source(settings) as source, Progress("collecting") as progress:
        newest = int(source.ask("summary")["height"])
        if (beyond := max(first or 0, last or 0)) > newest:
            raise UserError(f"@{beyond} does not exist yet: the newest here is @{newest}")
        if endorsements:
            selection = select_endorsements(source.ask, endorsements)
        elif proposal:
            begin = 0 if first is None else first + 1
            selection = select_proposal(source.ask, proposal, begin, contents=bool(contents))
        elif first is None and last is None:
            selection = select_everything(source.ask, contents=contents is not False)
        else:
            selection = select_since(
                source.ask, -1 if first is None else first, last, contents=contents is not False
            )
        written = write_bundle(source.ask, selection, Path(path), _stepper(progress))
    size = Path(path).stat().st_size
    if settings.json:
        say_json(
            {
                "path": path,
                "size": size,
                "artifacts": written.artifacts,
                "contents": written.contents,
                "lacking": written.lacking,
                "erased": written.erased,
            }
        )
        return
    say(f"{path}: {contents_words(written.artifacts, written.contents)}, {size_text(size)}")
    if written.erased:
        note(f"{count_text(written.erased, 'content')} to go with it are erased: asl verify names them")
    if written.lacking:
        note(f"{count_text(written.lacking, 'content')} to go with it are not on this machine")


def contents_words(artifacts: int, contents: int) -> str:
    """How much a bundle holds."""
    words = count_text(artifacts, "signed artifact")
    return f"{words}, {count_text(contents, 'content')}" if contents else words


def _stepper(progress: Progress) -> Any:
    before = [0]

    def step(done: int, total: int) -> None:
        progress.step(done - before[0], total=total)
        before[0] = done

    return step


@bundle_command.command("show")
@click.argument("path", metavar="FILE", shell_complete=complete_file)
@pass_settings
def show_command(settings: Settings, path: str) -> None:
    """What is in a bundle, without taking anything of it in."""
    from aslp2p.transfer.showing import show_bundle

    try:
        with open(path, "rb") as file:
            answer = show_bundle(file)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})", remedy="name a bundle") from None
    if settings.json:
        say_json(answer)
    else:
        _say_shown(path, answer)
    if answer["bad_signatures"]:
        raise click.exceptions.Exit(1)


def _say_shown(path: str, answer: dict[str, Any]) -> None:
    say(f"Common:    {answer['name'] or '(its genesis is not in here)'} {answer['common']}")
    size = size_text(answer["content_bytes"])
    words = contents_words(answer["artifacts"], answer["contents"])
    say(f"Holds:     {words}{f' of {size}' if answer['contents'] else ''}")
    for first, last in answer["snapshots"]:
        say(f"Snapshots: @{first}{f' to @{last}' if last > first else ''}")
    counts = ", ".join(count_text(count, what) for what, count in answer["counts"].items() if count)
    say(f"Besides:   {counts or 'nothing'}")
    for one in answer["papers"]:
        say(f"Paper:     {one['id'][:12]}  {sentence({'shown': one['author']}, one['words'])}")
        say(f"           endorsed in here by {', '.join(one['endorsed_by']) or 'nobody'}")
    if answer["bad_signatures"]:
        say(f"A5: {count_text(len(answer['bad_signatures']), 'signature')} in it do not verify:")
        for id_ in answer["bad_signatures"]:
            say(f"  {id_}")
    else:
        say("Every signature verifies; whether it is in the history is for an import to judge.")


@bundle_command.command("import")
@click.argument("path", metavar="FILE", shell_complete=complete_file)
@click.option("--follow", is_flag=True, help="Follow its Common from now on, if this home does not yet.")
@emit_option
@pass_settings
def import_command(settings: Settings, path: str, follow: bool, emit: bool) -> None:
    """Take a bundle in: judged as if its artifacts came over the network, all or nothing."""
    from aslp2p.cli.desk import kept_here, open_desk

    home = home_of(settings)
    home.create()
    with (
        kept_here(path, home.path) as (file, bundle),
        open_desk(settings, bundle, follow=follow, emit=emit) as desk,
    ):
        report = desk.take(file)
        report |= {"judged": report["height"], "withheld": False}
        if report["height"] >= 0:
            report["withheld"] = desk.settle()
            report |= desk.ask("bundle.summary", ids=report["subjects"])
    if settings.json:
        say_json(report)
    else:
        say_report(report)
    if report["refused_count"]:
        raise click.exceptions.Exit(1)


def say_report(report: dict[str, Any]) -> None:
    """What came of an import: what is new, what still misses, what was refused and by which rule."""
    if report["judged"] < 0:
        waiting = count_text(report["waiting"], "artifact")
        say(f"{waiting} waiting here for the genesis of {report['common'][:12]}")
        return
    name, before = report["name"], report["height_before"]
    taken = report["contents"]["taken"]
    came = contents_words(report["new"], taken).replace("signed artifact", "new artifact")
    more = [(report["known"], "known already"), (report["useless"], "too late to matter")]
    say(", ".join([came, *(f"{count} {what}" for count, what in more if count)]))
    if report["judged"] > before:
        begun = "" if before < 0 else f", from @{before}"
        say(f"The history is at {name}@{report['judged']}{begun} (witness: {report['witness']['shown']})")
    if report["height"] > report["judged"]:
        say(f"This machine emitted {name}@{report['height']} for it; take it back with: asl bundle create")
    if report["withheld"]:
        say(
            "Not emitted: this machine knows others on a network, and listens there first whether it was "
            "replaced (S10): asl up. Where nobody can be heard any more: the same command with --emit"
        )
    if report["waiting"]:
        waiting = count_text(report["waiting"], "artifact")
        say(f"{waiting} waiting here for what is missing{_gap_words(report)}")
    if report["not_kept"]:
        say(f"{count_text(report['not_kept'], 'piece')} of it found no room: import this again later")
    if report["lacking"]:
        say(f"Still missing: {count_text(report['lacking'], 'content')} of files")
    for one in report["papers"]:
        say_paper(one, name)
    for one in report["refused"][:_REFUSED_SHOWN]:
        against = f" (against {one['against'][:12]})" if one["against"] else ""
        rule = f"{one['rule']}: " if one["rule"] else ""
        say(f"refused: {_kind(one['what'])} {one['id'][:12]}: {rule}{one['reason']}{against}")
    if report["refused_count"] > _REFUSED_SHOWN:
        say(f"… and {report['refused_count'] - _REFUSED_SHOWN} more; all of them: --json")


def _gap_words(report: dict[str, Any]) -> str:
    if report["gap"] is None:
        return ""
    first, last = report["gap"]
    return f": @{first}" + (f" to @{last}" if last > first else "")


def _kind(type_: str) -> str:
    return type_.removeprefix("asl.common.").partition("/")[0]


def say_paper(one: dict[str, Any], name: str) -> None:
    """How far a succession or policy change has come."""
    short = one["id"][:12]
    if one["state"] == "open":
        say(f"{short}: {sentence(one['author'], one['words'])}")
        say(f"  {one['paper']['progress']}")
        if one["paper"]["may_endorse"]:
            say(f"  you can endorse it: {one['paper']['command']}")
    elif one["state"] == "witnessed":
        say(f"{short}: carried out at {name}@{one['height']}")
    elif one["state"] == "missing":
        say(f"{short}: endorsed in here, and the proposal itself is still missing")
    else:
        say(f"{short}: overtaken")
