"""Asking before what cannot be taken back."""

from __future__ import annotations

import sys

import click

from aslp2p.cli.output import note
from aslp2p.errors import UsageError


def confirm(question: str, warnings: list[str], *, yes: bool) -> None:
    """Says `warnings` and asks; returns if it is meant. Without a terminal `yes` has to be said (`--yes`).

    Raises `UsageError` and `click.Abort`; nothing has been done then.
    """
    for line in warnings:
        note(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer", remedy="say --yes if you mean it")
    click.confirm(question, abort=True, err=True)
