"""`asl keep`, `prune`, `where`: which bytes are on this machine, which go, and who else has them."""

from __future__ import annotations

import time
from typing import Any

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_path
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, say, say_json, table
from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import DaemonSource, existing_home, open_daemon, open_source
from aslp2p.cli.versions import at_option, file_meant
from aslp2p.errors import UsageError
from aslp2p.limits import COPIES_DEFAULT, COPIES_MAX

_LOOK_S = 0.1
_HOLDING = ("keeps", "holds")
_WORDS = {
    "keeps": "has it and keeps it",
    "holds": "has it; it may go",
    "lacks": "does not have it",
    "erased": "has erased it",
    "unseen": "did not look",
    "silent": "does not answer",
    "away": "is not linked now",
}


@click.command("keep", cls=Command)
@click.argument("versions", required=False, metavar="[all|current|90d]")
@click.option("--only", multiple=True, metavar="PATTERN", help="Keep these paths alone; may be repeated.")
@click.option("--except", "excluded", multiple=True, metavar="PATTERN", help="Do not keep these paths.")
@click.option(
    "--copies",
    type=click.IntRange(1, COPIES_MAX),
    default=COPIES_DEFAULT,
    show_default=True,
    help="Others that have to keep what goes from here.",
)
@click.option("--default", "forget", is_flag=True, help="As config.toml says.")
@pass_settings
def keep_command(
    settings: Settings,
    versions: str | None,
    only: tuple[str, ...],
    excluded: tuple[str, ...],
    copies: int,
    forget: bool,
) -> None:
    """Say how much of the Common's bytes this machine keeps, or show it.

    All versions, what the newest one holds, or older ones for so long. Nothing goes before enough others keep
    it; what is not here is fetched when it is asked for.
    """
    if forget and (versions or only or excluded):
        raise UsageError("--default leaves nothing to say", remedy="type: asl keep --default")
    if forget or versions or only or excluded:
        with open_daemon(settings) as daemon:
            if forget:
                daemon.call("keep.forget")
            else:
                daemon.call(
                    "keep", versions=versions or "all", only=[*only], excluded=[*excluded], copies=copies
                )
    answer = kept_here(settings)
    if settings.json:
        say_json(answer)
        return
    say(f"This machine keeps {kept_words(answer['keep'])}.")
    if answer["typed"] is None:
        say("So says its configuration (config.toml); for this Common alone: asl keep current")
    if answer["pins"]:
        say(f"And {count_text(len(answer['pins']), 'pinned path')}: asl pin")


def kept_here(settings: Settings) -> dict[str, Any]:
    """`keep` that counts, what was `typed` for this Common, and `pins`."""
    from aslp2p.home.config import keep_of, load_config
    from aslp2p.views.keeping import keep_json

    with open_source(settings) as source:
        answer = source.ask("keeping")
    keep = answer["typed"] or keep_json(keep_of(load_config(existing_home(settings))))
    return {"keep": keep, **answer}


def kept_words(keep: dict[str, Any]) -> str:
    """What a machine keeps, as the end of a sentence."""
    versions = {"all": "every version", "current": "the newest version"}.get(
        keep["versions"], f"the newest version, and older ones for {keep['versions']}"
    )
    words = f"{versions} of {', '.join(keep['only']) or 'everything'}"
    if keep["except"]:
        words += f" except {', '.join(keep['except'])}"
    if keeps_everything(keep):
        return words
    return f"{words}; the rest goes once {count_text(keep['copies'], 'other machine')} keep it"


def keeps_everything(keep: dict[str, Any]) -> bool:
    return keep["versions"] == "all" and not keep["only"] and not keep["except"]


# --- pruning --------------------------------------------------------------------------------------


@click.command("prune", cls=Command)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@pass_settings
def prune_command(settings: Settings, dry_run: bool) -> None:
    """Let go now what this machine is not to keep, as far as enough others keep it."""
    with open_daemon(settings) as daemon:
        daemon.call("prune", dry=dry_run)
        found = _pass_of(daemon)
        everything = kept_words(kept_here(settings)["keep"])
    if settings.json:
        say_json(found)
        return
    if not found["looked"]:
        say(f"Nothing may go: this machine keeps {everything}. To keep less: asl keep current")
        return
    verb = "would go" if dry_run else "went"
    say(f"{count_text(found['gone'], 'content')} {verb}, {size_text(found['gone_bytes'])}")
    if found["pledged"]:
        minutes = -(-found["pledged_ms"] // 60_000)
        say(
            f"{count_text(found['pledged'], 'content')} stay for now: others were told lately that this "
            f"machine keeps them; again in {count_text(minutes, 'minute')}: asl prune"
        )
    if found["few"]:
        say(
            f"{count_text(found['few'], 'content')} stay ({size_text(found['few_bytes'])}): fewer others "
            f"than wanted keep them, of {count_text(found['asked'], 'machine')} that are linked now"
        )


def _pass_of(daemon: DaemonSource) -> dict[str, Any]:
    """What the pass found that was begun just now."""
    with Progress("looking through what is here") as progress:
        looked = 0
        while True:
            state = daemon.call("prune.state")
            found: dict[str, Any] = state["pass"]
            progress.step(found["looked"] - looked)
            looked = found["looked"]
            if found["done"]:
                return found
            time.sleep(_LOOK_S)


# --- who has what -----------------------------------------------------------------------------------


@click.command("where", cls=Command)
@click.argument("path", metavar="PATH[@N]", shell_complete=complete_path)
@at_option
@pass_settings
def where_command(settings: Settings, path: str, at: int | None) -> None:
    """Ask the machines of this Common which of them have the file at PATH."""
    with open_daemon(settings) as daemon:
        wanted, version = file_meant(daemon, path, at)
        if not wanted:
            raise UsageError("where asks about one file", remedy="name its path")
        entry = daemon.ask("entry", path=wanted, at=version)
        found = daemon.call("holders", id=entry["content"])["members"]
    if settings.json:
        say_json({"path": wanted, "content": entry["content"], "size": entry["size"], "members": found})
        return
    table([(one["shown"], _WORDS[one["state"]]) for one in found])
    if not any(one["state"] in _HOLDING for one in found):
        say("Nobody who is linked now has it: wait until others are there: asl peers")
