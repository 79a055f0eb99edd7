"""Help, in all its forms: topics, what was meant, man pages, completion; in narrow terminals and in none."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from aslp2p.cli import main
from aslp2p.cli.commands import COMMANDS
from aslp2p.cli.group import Group
from aslp2p.cli.man import man_pages
from aslp2p.cli.shipped import COMPLETIONS, ship
from aslp2p.cli.topics import TOPICS
from tests.cli.conftest import Asl
from tests.cli.running import running

GROFF = shutil.which("groff")


def complete(home: Path, *words: str) -> list[str]:
    """What TAB offers after `words`, as bash asks for it."""
    result: Result = CliRunner().invoke(
        main,
        [],
        prog_name="asl",
        env={
            "ASL_HOME": str(home),
            "_ASL_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["asl", *words]),
            "COMP_CWORD": str(len(words)),
        },
    )
    return [line.partition(",")[2] for line in result.stdout.splitlines() if line]


# --- topics -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_told(asl: Asl, topic: str) -> None:
    told = asl("help", topic)
    answer = json.loads(asl("help", topic, "--json").stdout)
    assert told.exit_code == 0 and TOPICS[topic][0] in told.stdout and answer["topic"] == topic


def test_help_of_a_command_is_what_the_command_says(asl: Asl) -> None:
    for words in (["put"], ["folder", "add"], ["members"]):
        assert asl("help", *words).stdout.strip() == asl(*words, "--help").stdout.strip(), words


def test_help_alone_names_every_command_and_topic(asl: Asl) -> None:
    told = asl("help").stdout
    assert all(re.search(rf"^  {name} ", told, re.M) for name in (*COMMANDS, *TOPICS))


def test_commands_that_a_topic_names_are_there() -> None:
    context = click.Context(main)
    for name, (_, text) in TOPICS.items():
        for typed in re.findall(r"`asl\s+([a-z][^`]*)`", text):
            command: click.Command | None = main
            for word in typed.split():
                if isinstance(command, Group) and re.fullmatch(r"[a-z-]+", word):
                    command = command.get_command(context, word)
                    assert command is not None, f"{name}: asl {typed}"


@pytest.mark.parametrize(
    ("words", "meant"), [(["versoins"], "asl help versions"), (["folder", "ad"], "asl help folder add")]
)
def test_a_topic_that_is_none_is_answered_with_one_that_is(asl: Asl, words: list[str], meant: str) -> None:
    refused = asl("help", *words)
    assert refused.exit_code == 2 and f"did you mean: {meant}" in refused.stderr
    assert asl(*meant.split()[1:]).exit_code == 0


# --- what was meant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["folder", "ad"], "Did you mean `asl folder add`?"),
        (["members", "expell"], "Did you mean `asl members expel`?"),
        (["ls", "--jsn"], "--json"),
        (["put", "--no-wiat", "x", "y"], "--no-wait"),
    ],
)
def test_a_word_or_an_option_that_is_none_is_answered_with_one_that_is(
    asl: Asl, typed: list[str], meant: str
) -> None:
    refused = asl(*typed)
    assert refused.exit_code == 2 and meant.lower() in refused.stderr.lower()
    assert refused.stderr.count("\n") == 1


# --- man pages ----------------------------------------------------------------------------------------


def test_there_is_a_page_of_every_command_with_every_option() -> None:
    pages = dict(man_pages(main))
    assert pages.keys() == {"asl.1", *(f"asl-{name}.1" for name in COMMANDS)}
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        for one in (command, *getattr(command, "commands", {}).values()):
            shown = [one for one in one.params if not getattr(one, "hidden", False)]
            for option in (option for parameter in shown for option in parameter.opts if "--" in option):
                assert option.replace("-", "\\-") in pages[f"asl-{name}.1"], (name, option)


@pytest.mark.skipif(GROFF is None, reason="no groff here")
def test_pages_are_read_without_a_warning(asl: Asl, tmp_path: Path) -> None:
    assert asl("help", "--man", str(tmp_path / "man1")).exit_code == 0
    for page in sorted((tmp_path / "man1").iterdir()):
        done = subprocess.run(
            [str(GROFF), "-man", "-Tutf8", "-ww", "-z", str(page)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), page.name


def test_pages_that_cannot_be_written_are_one_line(asl: Asl, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = asl("help", "--man", str(tmp_path / "file" / "man1"))
    assert refused.exit_code == 1 and refused.stderr.count("\n") == 1


def test_the_wheel_ships_what_help_and_completion_say(asl: Asl, tmp_path: Path) -> None:
    """`hatch_build.py` puts these files where systems look for them."""
    targets = ship(tmp_path / "shipped")
    assert asl("help", "--man", str(tmp_path / "man1")).exit_code == 0
    written = {f"share/man/man1/{page.name}": page.read_text() for page in (tmp_path / "man1").iterdir()}
    for shell, target in COMPLETIONS.items():
        written[target] = asl("completion", shell).stdout.removesuffix("\n")
    assert {target: Path(path).read_text() for path, target in targets.items()} == written
    assert len(written) > 50


# --- completion ---------------------------------------------------------------------------------------


def test_commands_options_and_topics_of_the_shell(filled: Path) -> None:
    assert "status" in complete(filled, "stat") and "--json" in complete(filled, "ls", "--j")
    assert complete(filled, "folder", "rem") == ["remove"]


def test_paths_at_the_head_one_folder_at_a_time(kept: Asl, tmp_path: Path) -> None:
    home = tmp_path / "kept"
    assert complete(home, "get", "") == ["photos/", "run.sh"]
    assert complete(home, "get", "ph") == ["photos/"]
    assert complete(home, "get", "photos/") == ["photos/cat.jpg"]
    assert complete(home, "rm", "r") == ["run.sh"]
    assert complete(home, "ls", "nothing") == []
    assert not list(home.glob("control.*")), "no daemon was started"


def test_members_and_commons(kept: Asl, tmp_path: Path) -> None:
    home = tmp_path / "kept"
    assert complete(home, "rotate", "a") == ["ann"] == complete(home, "members", "expel", "")
    assert complete(home, "ls", "--common", "h") == ["home"]


def test_a_running_daemon_is_asked(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home"):
        asl("put", "-", "notes/one", input="1")
        found = complete(tmp_path / "home", "get", "no")
    assert found == ["notes/"]


def test_without_a_home_nothing_is_offered_and_nothing_made(tmp_path: Path) -> None:
    assert complete(tmp_path / "home", "get", "") == [] == complete(tmp_path / "home", "rotate", "")
    assert not (tmp_path / "home").exists()


# --- terminals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [40, 60])
def test_help_fits_a_narrow_terminal(asl: Asl, columns: int) -> None:
    for words in (["help", "keys"], ["put", "--help"], ["key", "restore", "--help"]):
        result = CliRunner().invoke(main, words, terminal_width=columns)
        assert result.exit_code == 0
        long = [line for line in result.stdout.splitlines() if len(line) > columns]
        assert long == [], words


def test_no_terminal_gets_no_colour(kept: Asl) -> None:
    for words in (["status"], ["log"], ["help"], ["ls"], ["verify"]):
        assert "\x1b" not in kept(*words).output, words
