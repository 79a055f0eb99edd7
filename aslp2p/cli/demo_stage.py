"""The machines of `asl demo`: real homes in one temporary folder, real daemons on 127.0.0.1.

Whatever ends the demo, a failure and Ctrl-C too, kills every daemon that it started and removes the folder.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aslp2p.cli.borrowed import ASL
from aslp2p.cli.output import say
from aslp2p.control.client import Client
from aslp2p.errors import AslError, UserError

PATIENCE_S = 60.0
COMMAND_S = 120.0
_INVITE = re.compile(r"asl1[a-z0-9]{60,}")

T = TypeVar("T")


class DemoFailed(UserError):
    """Something did not happen that the story needs."""

    code = "demo"


class Actor:
    """One person and their machine."""

    def __init__(self, name: str, folder: Path, port: int) -> None:
        self.name = name
        self.home = folder / name
        self.port = port
        self.log = folder / f"{name}.log"
        self.daemon: subprocess.Popen[bytes] | None = None

    def type(
        self, *words: str, stdin: str = "", shown: str = "", quiet: bool = False, refused: bool = False
    ) -> str:
        """Run `asl` as this person and show it: the line that they typed (`shown` where that differs) and
        what came of it.

        Raises `DemoFailed` unless it ends with 0 or 4 (a person has to decide something), or with 1 if it is
        to be `refused`.
        """
        if not quiet:
            self.say_typed(_shortened(shown or " ".join(_quoted(word) for word in words)))
        done = subprocess.run(
            [*ASL, "--home", str(self.home), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if not quiet:
            for line in (done.stdout + done.stderr).splitlines():
                say("    " + _shortened(line))
        if done.returncode not in ((1,) if refused else (0, 4)):
            raise DemoFailed(
                f"{self.name}: asl {' '.join(words)} ended with {done.returncode}: {done.stderr}"
            )
        return done.stdout

    def say_typed(self, words: str) -> None:
        """Show a command as this person types it."""
        say(f"  {self.name} $ asl {words}")

    def up(self) -> None:
        """Start the daemon."""
        self.say_typed("up &")
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*ASL, "--home", str(self.home), "up"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """`kill -9` of the daemon."""
        if self.daemon is None:
            return
        say(f"  {self.name} $ kill -9 {self.daemon.pid}")
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGKILL) -> None:
        """Send the daemon a signal and wait until it has ended; does nothing twice."""
        if self.daemon is None:
            return
        self.daemon.send_signal(number)
        try:
            self.daemon.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def call(self, method: str, **params: Any) -> Any:
        """What the daemon's control socket answers."""
        with Client.of_home(str(self.home)) as client:
            return client.call(method, **params)


class Stage:
    """`with Stage(names, pace_s) as stage:` five machines of a household; gone when the block ends."""

    def __init__(self, names: Sequence[str], pace_s: float) -> None:
        self._names = names
        self._pace_s = pace_s
        self.actors: dict[str, Actor] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="asl-demo-"))
        ports = free_ports(len(self._names))
        for name, port in zip(self._names, ports, strict=True):
            self.actors[name] = Actor(name, self.folder, port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for actor in self.actors.values():
            actor.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __getitem__(self, name: str) -> Actor:
        return self.actors[name]

    def tell(self, text: str) -> None:
        """A paragraph of the story, with time to read it."""
        say()
        say(f"── {text}")
        time.sleep(self._pace_s)

    def configure(self) -> None:
        """A key and a `config.toml` for everybody: loopback instead of mDNS, recovery by the daemons (S8)."""
        peers = ", ".join(f'"127.0.0.1:{actor.port}"' for actor in self.actors.values())
        for actor in self.actors.values():
            actor.type("self", "--name", actor.name, quiet=True)
            (actor.home / "config.toml").write_text(
                f'[listen]\naddresses = ["127.0.0.1"]\nport = {actor.port}\n'
                f'[mdns]\nenabled = false\n[peers]\nstatic = [{peers}]\n[recovery]\nmode = "auto"\n'
            )

    def until(self, what: str, holds: Callable[[], T]) -> T:
        """What `holds` gives once that is true. Raises `DemoFailed` if it does not come."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            try:
                value = holds()
            except (AslError, OSError):
                value = None
            if value:
                return value
            if time.monotonic() > give_up:
                raise DemoFailed(f"it did not come to this: {what}")
            time.sleep(0.05)

    def equal(self, names: Sequence[str], holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until these machines show one head of which `holds` is true; its summary."""

        def agreed() -> dict[str, Any] | None:
            summaries = [self[name].call("summary") for name in names]
            same = len({one["head"] for one in summaries}) == 1
            return summaries[0] if same and all(holds(one) for one in summaries) else None

        return self.until(f"one head on {', '.join(names)}", agreed) or {}


def require(holds: object, what: str) -> None:
    """Raises `DemoFailed` saying `what` was expected."""
    if not holds:
        raise DemoFailed(f"this was expected: {what}")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


def _shortened(line: str) -> str:
    """An invite is long, and secret."""
    return _INVITE.sub(lambda found: found[0][:24] + "…", line)


def _quoted(word: str) -> str:
    """A word as it is typed; of a path its last part."""
    word = word.rpartition("/")[2] if word.startswith("/") else word
    return f'"{word}"' if " " in word else word
