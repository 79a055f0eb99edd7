"""`asl service` and `asl down`: the daemon as a service of this system, and its end."""

from __future__ import annotations

import os
import time

import click

from aslp2p.cli.group import Command, Group
from aslp2p.cli.output import note, say, say_json
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import existing_home
from aslp2p.control.client import Client
from aslp2p.errors import NeedsAttention, UserError
from aslp2p.home.followed import load_followed
from aslp2p.home.lock import READER, HomeHeld, HomeLock
from aslp2p.service.managers import Manager, choose_manager

DOWN_S = 20.0
"""How long a daemon may take to close its stores."""
_PAUSE_S = 0.05

system_option = click.option(
    "--system", is_flag=True, help="The service of the whole machine, under a user of its own (root)."
)


@click.group("service", cls=Group)
def service_command() -> None:
    """Run the daemon as a service: at every start of this machine, and again when it fails."""


@service_command.command("install")
@system_option
@click.option(
    "--writes",
    multiple=True,
    metavar="DIR",
    help="It may write in DIR too, which will be followed; repeated.",
)
@pass_settings
def install_command(settings: Settings, system: bool, writes: tuple[str, ...]) -> None:
    """Install the service for this home, and start it now.

    On Linux a systemd unit (of the user's own manager, or with --system of the machine's), on macOS a launchd
    agent. The unit may write in the home and in the folders that are followed, and nowhere else. A second
    install writes it anew.
    """
    home = existing_home(settings)
    if not home.commons():
        raise UserError(
            f"{home} follows no Common yet", remedy="type `asl init NAME` or `asl join INVITE` first"
        )
    manager = choose_manager(system=system)
    followed = [one.folder for one in load_followed(home)]
    hints = manager.install(home, list(dict.fromkeys((*followed, *map(os.path.abspath, writes)))))
    if settings.json:
        say_json({"file": str(manager.file), "state": manager.state(), "hints": hints})
        return
    say(f"installed {manager.file}, and started: {manager.state()}")
    for hint in hints:
        note(f"you may want: {hint}")


@service_command.command("uninstall")
@system_option
@pass_settings
def uninstall_command(settings: Settings, system: bool) -> None:
    """Stop the service and remove it. The home stays as it is."""
    manager = choose_manager(system=system)
    was = manager.state()
    manager.uninstall()
    _tell(
        settings, manager, f"removed {manager.file}" if was != "not installed" else "no service was installed"
    )


@service_command.command("start")
@system_option
@pass_settings
def start_command(settings: Settings, system: bool) -> None:
    """Start the installed service."""
    _do(settings, system, "start")


@service_command.command("stop")
@system_option
@pass_settings
def stop_command(settings: Settings, system: bool) -> None:
    """Stop the service until the next start of this machine."""
    _do(settings, system, "stop")


@service_command.command("restart")
@system_option
@pass_settings
def restart_command(settings: Settings, system: bool) -> None:
    """Stop the service and start it again."""
    _do(settings, system, "restart")


@service_command.command("status")
@system_option
@pass_settings
def status_command(settings: Settings, system: bool) -> None:
    """Whether the service is installed and runs; exit status 4 when it is installed and does not run."""
    manager = choose_manager(system=system)
    state = manager.state()
    _tell(settings, manager, f"the service is {state}")
    if state not in ("active", "not installed"):
        note("it does not run: see `asl service logs`")
        raise click.exceptions.Exit(NeedsAttention.exit_code)


@service_command.command("logs")
@system_option
@click.option(
    "-n", "--lines", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
def logs_command(system: bool, lines: int, follow: bool) -> None:
    """What the service has said lately."""
    command = choose_manager(system=system).logs(lines, follow)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell, and words of our own
    except OSError as error:
        raise UserError(f"cannot run {command[0]} ({error.strerror})", remedy="is it installed?") from None


def _do(settings: Settings, system: bool, verb: str) -> None:
    manager = choose_manager(system=system)
    manager.do(verb)
    _tell(settings, manager, f"the service is {manager.state()}")


def _tell(settings: Settings, manager: Manager, words: str) -> None:
    if settings.json:
        say_json({"file": str(manager.file), "state": manager.state()})
    else:
        say(words)


@click.command("down", cls=Command)
@pass_settings
def down_command(settings: Settings) -> None:
    """Stop the running daemon, and return when it has closed everything.

    A service that is installed would stay stopped until it is started again: `asl service start`.
    """
    home = existing_home(settings)
    with Client.of_home(str(home)) as client:
        client.call("stop")
    until = time.monotonic() + DOWN_S
    while True:
        try:
            with HomeLock(home, READER, shared=True):
                break
        except HomeHeld:
            if time.monotonic() > until:
                raise UserError(
                    f"the daemon was told to stop and still runs after {DOWN_S:.0f} s",
                    remedy="wait a little, or kill it; nothing that was promised is lost",
                ) from None
            time.sleep(_PAUSE_S)
    say_json({"stopped": True}) if settings.json else say("the daemon has stopped")
