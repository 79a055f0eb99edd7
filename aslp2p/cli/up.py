"""`asl up`: the daemon in the foreground. The only command that loads trio."""

from __future__ import annotations

import dataclasses

import click

from aslp2p.cli.group import Command
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home
from aslp2p.errors import UsageError, UserError


@click.command("up", cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port; 0: any free one.")
@click.option(
    "--listen", multiple=True, metavar="ADDRESS", help="Listen on this address only; may be repeated."
)
@click.option("--no-mdns", is_flag=True, help="Neither announce this machine on the LAN nor look for others.")
@click.option("--peer", multiple=True, metavar="HOST:PORT", help="Dial this machine too; may be repeated.")
@click.option("--to-join", is_flag=True, hidden=True, help="Run without a Common, for `asl join CODE`.")
@pass_settings
def up_command(
    settings: Settings,
    port: int | None,
    listen: tuple[str, ...],
    no_mdns: bool,
    peer: tuple[str, ...],
    to_join: bool,
) -> None:
    """Run the daemon in the foreground, until it is interrupted."""
    from aslp2p.home.config import KEYS, LIST_MAX, load_config

    home = existing_home(settings)
    if not home.commons() and not to_join:
        raise UserError(
            f"{home} follows no Common yet", remedy="type `asl init NAME` or `asl join INVITE` first"
        )
    config = load_config(home)
    given: dict[str, object] = {}
    for option, key, value, what, example in (
        ("--listen", "listen.addresses", list(listen), "IP address", "one of this machine's, or 0.0.0.0"),
        ("--peer", "peers.static", list(peer), "host and port", "alice.local:4711 or [2001:db8::7]:4711"),
    ):
        for one in value:
            try:
                KEYS[key].read([one])
            except ValueError:
                raise UsageError(f"{option} {one} is no {what}", remedy=f"write {example}") from None
        if len(value) > LIST_MAX:
            raise UsageError(f"{option} is there {len(value)} times", remedy=f"give at most {LIST_MAX}")
        if value:
            given[key.replace(".", "_")] = KEYS[key].read(value)
    if peer:
        given["peers_static"] = tuple(
            dict.fromkeys((*config.peers_static, *KEYS["peers.static"].read(list(peer))))
        )
    if port is not None:
        given["listen_port"] = port
    if no_mdns:
        given["mdns_enabled"] = False
    from aslp2p.daemon.main import run

    run(home, dataclasses.replace(config, **given), to_join=to_join)  # type: ignore[arg-type]
