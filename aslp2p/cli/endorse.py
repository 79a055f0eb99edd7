"""`asl endorse`: an authority's word for a succession or a policy change, also from and to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aslp2p.cli.bundle import emit_option
from aslp2p.cli.group import Command
from aslp2p.cli.output import say, say_json, sentence
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_daemon
from aslp2p.errors import UsageError


@click.command("endorse", cls=Command)
@click.argument("id")
@click.option(
    "--offline", "bundle", metavar="BUNDLE", help="Judge it by what this bundle holds, without a network."
)
@click.option("-o", "--output", metavar="FILE", help="With --offline: where to write the endorsement.")
@emit_option
@pass_settings
def endorse_command(settings: Settings, id: str, bundle: str | None, output: str | None, emit: bool) -> None:
    """Endorse the open succession or policy change ID (4 or more digits; see `asl proposals`)."""
    if (bundle is None) != (output is None):
        raise UsageError("--offline BUNDLE and -o FILE belong together", remedy="name both files")
    if emit and bundle is None:
        raise UsageError("--emit is for --offline", remedy="leave it out: a running witness emits by itself")
    if bundle is not None and output is not None:
        _endorse_offline(settings, id, bundle, Path(output), emit=emit)
        return
    with open_daemon(settings) as daemon:
        answer = daemon.call("endorse", id=id)
    if settings.json:
        say_json(answer)
        return
    done = "Endorsed already" if answer["already"] else "Endorsed"
    say(f"{done}: {sentence(answer['author'], answer['words'])}")
    say_progress(answer)


def _endorse_offline(settings: Settings, digits: str, bundle: str, output: Path, *, emit: bool) -> None:
    """Take the bundle in, endorse by the rules and the journal of this home, and write what goes back."""
    from aslp2p.cli.bundle import say_paper, say_report
    from aslp2p.cli.desk import kept_here, open_desk
    from aslp2p.transfer.export import add_cosignatures, add_since, select_endorsements, write_bundle

    home = home_of(settings)
    home.create()
    with (
        kept_here(bundle, home.path) as (file, checked),
        open_desk(settings, checked, follow=True, emit=emit) as desk,
    ):
        report = desk.take(file)
        proposal = desk.ask("bundle.find", id=digits)["proposal"]
        desk.endorse(proposal)
        selection = select_endorsements(desk.ask, proposal)
        withheld = desk.settle()  # a new witness whose certificate is complete emits at once
        add_since(desk.ask, selection, report["height"])
        add_cosignatures(desk.ask, selection)
        written = write_bundle(desk.ask, selection, output)
        after = desk.ask("bundle.summary", ids=[proposal])
    paper = after["papers"][0]
    if settings.json:
        report["withheld"] = withheld
        answer = {"proposal": proposal, "paper": paper, "output": str(output), "import": report}
        say_json({**answer, "artifacts": written.artifacts, "common": report["common"]})
        return
    say_report({**report, **after, "judged": report["height"], "withheld": withheld, "papers": []})
    say(f"Endorsed, in the Common {after['name']} {report['common'][:12]}:")
    say_paper(paper, after["name"])
    say(f"{output}: take it back to where the proposal came from: asl bundle import {output.name}")


def say_progress(answer: dict[str, Any]) -> None:
    """What an open succession or policy change still needs, and what the others have to type."""
    paper = answer["paper"]
    if not answer["open"]:
        say("It is in the history, or overtaken: see `asl status`.")
    elif paper["complete"]:
        say(f"{paper['progress']}. That is enough; it takes effect when the next snapshot carries it.")
    else:
        say(f"{paper['progress']}. They type: {paper['command']}")


def say_asked(settings: Settings, answer: dict[str, Any]) -> None:
    """What was proposed, and what it still needs."""
    if settings.json:
        say_json(answer)
    elif not answer["open"]:
        say(f"Proposed {answer['proposal'][:12]}, and done already: see `asl status`.")
    else:
        say(f"Proposed: {sentence(answer['author'], answer['words'])}")
        say_progress(answer)
