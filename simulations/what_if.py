"""`python -m simulations what-if`: one disaster under your policy, with real nodes, step by step in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from aslp2p.artifacts.types import Policy
from aslp2p.errors import UsageError
from aslp2p.ledger.policy_file import parse_policy
from simulations.disaster import Disaster, Walk
from simulations.neighbours import Told
from simulations.options import a_duration, a_number

_OWN_KEY = bytes(31) + b"\1"
"""Stands for `key: self` in a policy file: the walk gives everybody keys of its own."""
_PARTS = 1_000


def load_policy(path: str) -> Policy:
    """The policy in a file. Raises `UsageError`: with line and remedy where the policy is at fault."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} cannot be read: {why}", remedy="give a policy file with --policy") from None
    return parse_policy(text, source=path, own_key=_OWN_KEY)


def named(policy: Policy, given: dict[str, Sequence[str]], witness: str | None) -> None:
    """Raises `UsageError` for a name that is no authority's, or one with two fates."""
    names = [one.name for one in policy.witnesses]
    fates: dict[str, str] = {}
    for option, chosen in given.items():
        for name in chosen:
            if name not in names:
                raise UsageError(
                    f"{option} {name}: no authority of the policy has that name",
                    remedy=f"write one of {', '.join(names)}",
                )
            if name in fates:
                raise UsageError(f"{name} has two fates: {fates[name]} and {option}", remedy="give it one")
            fates[name] = option
    if witness is not None and witness not in names:
        raise UsageError(
            f"--witness {witness}: no authority of the policy has that name",
            remedy=f"write one of {', '.join(names)}",
        )
    if not fates:
        raise UsageError("nothing happens to anybody", remedy="give --lose, --silence or --compromise NAME")


@click.command("what-if")
@click.option(
    "--policy", "path", required=True, metavar="FILE", help="The policy, as `asl policy show --yaml`."
)
@click.option("--lose", multiple=True, metavar="NAME", help="This machine and its key are lost for good.")
@click.option("--silence", multiple=True, metavar="NAME", help="This machine is off for a while.")
@click.option(
    "--for",
    "silent_ms",
    default=None,
    callback=a_duration(1000),
    help="How long [half as long again as the grace period]",
)
@click.option("--compromise", multiple=True, metavar="NAME", help="A thief copies this machine's key.")
@click.option("--witness", metavar="NAME", help="Who is the witness (the first of the policy).")
@click.option("--auto", is_flag=True, help="Daemons endorse recoveries by themselves (recovery.mode: auto).")
@click.option("--seed", callback=a_number(0, 2**53, whole=True), default="0", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def what_if(
    path: str,
    lose: tuple[str, ...],
    silence: tuple[str, ...],
    silent_ms: int | None,
    compromise: tuple[str, ...],
    witness: str | None,
    auto: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Walk one disaster step by step: what happens to whom, and how it ends."""
    policy = load_policy(path)
    named(policy, {"--lose": lose, "--silence": silence, "--compromise": compromise}, witness)
    told = _walked(policy, Disaster(lose, silence, compromise, silent_ms), witness, auto, seed)
    if as_json:
        steps = [{"at_ms": at, "words": words} for at, words in told.lines if words]
        click.echo(json.dumps({"verdict": told.verdict, "steps": steps}))
    else:
        click.echo("\n".join(told.text()))


def _walked(policy: Policy, disaster: Disaster, witness: str | None, auto: bool, seed: int) -> Told:
    """Weeks of waiting take seconds: a bar on a terminal meanwhile."""
    if not sys.stderr.isatty():
        return Walk(policy, disaster, witness=witness, auto=auto, seed=seed).run()
    with click.progressbar(length=_PARTS, file=sys.stderr, label="waiting", width=30) as bar:

        def watch(part: float) -> None:
            bar.update(round(part * _PARTS) - bar.pos)

        return Walk(policy, disaster, witness=witness, auto=auto, seed=seed, watch=watch).run()
