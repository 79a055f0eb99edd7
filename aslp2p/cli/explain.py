"""`asl explain`: the trace of authority from genesis to a version, in plain words, or the rule that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from aslp2p.cli.floor import retired_lines
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json, sentence, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import home_of, open_source
from aslp2p.cli.verify import verified
from aslp2p.cli.versions import require_version
from aslp2p.errors import UsageError

Ask = Callable[..., dict[str, Any]]


@click.command("explain", cls=Command)
@click.argument("version", default="", metavar="[@N]")
@click.option(
    "--bundle", metavar="FILE", help="Of what this bundle holds, judged by itself; no home is needed."
)
@pass_settings
def explain_command(settings: Settings, version: str, bundle: str | None) -> None:
    """How the right to write came from genesis to @N (or the newest), and everybody who signed for it.

    The history is judged again on the way. Where it does not hold, the first rule that fails is named, with
    both ids, and the trace up to there.
    """
    at = require_version(version) if version else None
    if bundle is None:
        with open_source(settings) as source:
            answer = _explained(source.ask, at, None)
    else:
        answer = _of_bundle(settings, bundle, at)
    if settings.json:
        say_json(answer)
    else:
        _say(answer)
    if answer["failure"]:
        raise click.exceptions.Exit(1)


def _of_bundle(settings: Settings, path: str, at: int | None) -> dict[str, Any]:
    from aslp2p.home.key import SecretKey, load_public_key
    from aslp2p.home.names import name_is_chosen
    from aslp2p.transfer.judging import judge_bundle
    from aslp2p.views.queries import QUERIES
    from aslp2p.views.view import View

    home = home_of(settings)
    chosen = name_is_chosen(home)
    own_key = load_public_key(home) if home.exists() and home.key.exists() else None
    try:
        with open(path, "rb") as file:
            judged = judge_bundle(file, SecretKey.generate(), os.urandom)
    except OSError as error:
        raise UsageError(f"cannot read {path} ({error.strerror})", remedy="name a bundle") from None
    failure = judged.failure
    # What is refused beside a line that reaches further is nothing that this line stands on.
    if failure is not None:
        reached = View(judged.reader).height
        if failure["height"] <= reached or (at is not None and at <= reached):
            failure = None
    answer = _explained(
        lambda question, **params: QUERIES[question](
            View(judged.reader, own_key=own_key, name_chosen=chosen), **params
        ),
        at if failure is None else None,
        failure,
    )
    return {**answer, "waiting": judged.waiting}


def _explained(ask: Ask, at: int | None, failure: dict[str, Any] | None) -> dict[str, Any]:
    if failure is None:
        failure = verified(ask, at)["failure"]
        if failure is not None and failure["height"] == 0:
            return {"failure": failure, "steps": [], "name": "", "height": None}
    top = at if failure is None else failure["height"] - 1
    steps: list[dict[str, Any]] = []
    after: int | None = -1
    answer: dict[str, Any] = {}
    while after is not None:
        answer = ask("explain", at=top, after=after)
        steps += answer["steps"]
        after = answer["next"]
    return {**answer, "steps": steps, "failure": failure}


def _say(answer: dict[str, Any]) -> None:
    name, failure, steps = answer["name"], answer["failure"], answer["steps"]
    for step in steps:
        _say_step(name, step)
    if steps and failure is None:
        last = next(one for one in reversed(steps) if one["kind"] not in ("policy-change", "policy-settled"))
        made = (
            f"founded it at @{last['height']}"
            if last["kind"] == "genesis"
            else f"is that since @{last['height']}"
        )
        say(f"{name}@{answer['height']} is signed by {answer['signer']['shown']} in epoch {answer['epoch']}.")
        say(
            f"The witness there is {last['witness']['shown']}, who {made}. Everything holds, every signature."
        )
        if answer["final"]:
            who = ", ".join(one["shown"] for one in answer["cosigned_by"])
            say(f"Final up to {name}@{answer['final']}, cosigned by {who}.")
        for line in retired_lines(name, answer["retired"]):
            say(line)
        say(f"Snapshot {answer['id']}")
        say(f"Common   {answer['common']}")
    if waiting := answer.get("waiting"):
        say(f"{count_text(waiting, 'artifact')} in it not judged: what they stand on is not in it.")
    if failure is not None:
        say(f"{name}@{failure['height']} does not hold: {failure['rule']}: {failure['reason']}")
        say(f"  judged   {failure['subject']}")
        say(f"  against  {failure['against']}")


def _say_step(name: str, step: dict[str, Any]) -> None:
    at = f"@{step['height']}"
    if step["kind"] == "genesis":
        say(f"{at}  {step['signer']['shown']} founded {name} and is its witness ({when(step['created_ms'])})")
        if step["predecessor"]:
            say(f"      as a last resort, in the place of the Common {step['predecessor']}")
    elif step["kind"] == "policy-settled":
        who = ", ".join(one["by"]["shown"] for one in step["settlement"])
        say(f"{at}  the new policy stands alone: what it rests on is final, cosigned by {who}")
    else:
        _say_certificate(at, step)
    if step["kind"] in ("genesis", "policy-change", "policy-settled"):
        for words in step["policies"]:
            say(f"      who may replace the witness: {words}")


def _say_certificate(at: str, step: dict[str, Any]) -> None:
    paper = step["certificate"]
    say(f"{at}  {sentence(paper['author'], paper['words'])} ({when(step['created_ms'])})")
    based = (
        ""
        if paper["base_height"] is None
        else f", on the base of @{paper['base_height']}, epoch {paper['epoch']}"
    )
    say(f"      proposal {paper['proposal']}{based}")
    for one in paper["endorsed_by"]:
        accepts = paper["accepted_by"] is not None and paper["accepted_by"]["key"] == one["by"]["key"]
        does = "accepted" if accepts else "endorsed"
        say(f"      {does} by {one['by']['shown']}, {when(one['created_ms'])}: {one['id']}")
    for id_ in paper["abandons"]:
        say(f"      GIVES UP {id_}")
    if step["settlement"]:
        who = ", ".join(one["by"]["shown"] for one in step["settlement"])
        say(f"      the new policy alone decided: its change is final under both, cosigned by {who} (P4)")
    if paper["does"] != "policy-change":
        emitter, after = step["signer"]["shown"], step["witness"]["shown"]
        say(f"      signed by {emitter}; the witness from here on is {after}")
