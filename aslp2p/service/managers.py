"""Who runs the service: systemd for one user, systemd for the whole machine, or launchd.

Each manager writes one file and then tells the system; nothing is told before the file is whole on disk, and
a step that fails leaves what a second `install` goes on from. What the manager says when it refuses is in the
error, with what to type.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aslp2p.errors import UsageError, UserError
from aslp2p.home.files import atomic_write
from aslp2p.home.folder import Home
from aslp2p.service.unit_files import (
    LABEL,
    SYSTEM_HOME,
    SYSTEM_USER,
    launch_agent,
    runs_home,
    system_unit,
    user_unit,
    written_paths,
)

UNIT = "aslp2p.service"
COMMAND_TIMEOUT_S = 60.0


class Manager(Protocol):
    """One system's way to run the daemon. All raise `UserError` with what the manager said."""

    file: Path
    """What `install` writes."""

    def install(self, home: Home, writes: Sequence[str] = ()) -> list[str]:
        """Write the file, and start the daemon now and at every start of the machine. What a person may still
        want to type, a line each. The daemon may write in the home and below the paths `writes`."""

    def lets_write(self, home: Home, folder: str) -> bool:
        """Whether the service is in nobody's way: it is not that of `home`, or may write in `folder`."""

    def renew(self, home: Home, writes: Sequence[str], *, restart: bool) -> None:
        """Write the installed file anew for `writes`; with `restart` a running daemon is started again under
        it before this returns. Nothing where the service is not that of `home`."""

    def uninstall(self) -> None:
        """Stop the daemon and forget the file; the home stays. Nothing where nothing is installed."""

    def do(self, verb: str) -> None:
        """`start`, `stop` or `restart`."""

    def state(self) -> str:
        """One word of the manager's: `active`, `inactive`, `failed` …, or `not installed`."""

    def logs(self, lines: int, follow: bool) -> list[str]:
        """The command that shows the daemon's log."""


def choose_manager(*, system: bool, environment: Mapping[str, str] = os.environ) -> Manager:
    """The manager of this machine. Raises `UserError` where there is none, with what to do instead."""
    if sys.platform == "darwin":
        if system:
            raise UsageError(
                "there is no service for the whole machine on macOS", remedy="leave --system away"
            )
        return Launchd(Path.home())
    if shutil.which("systemctl") is None:
        raise UserError(
            "this system has no systemd", remedy="let its own service manager run `asl up` as your user"
        )
    if not system and os.geteuid() == 0 and not environment.get("XDG_RUNTIME_DIR"):
        raise UsageError(
            "root has no services of its own here", remedy="say --system for a daemon of the whole machine"
        )
    if system and os.geteuid() != 0:
        raise UsageError("only root can install a service for the whole machine", remedy="type it with sudo")
    return Systemd(system=system, environment=environment)


def manager_of(home: Home, environment: Mapping[str, str] = os.environ) -> Manager | None:
    """Whose service the daemon of `home` would be; None on a system without a manager that is known."""
    if sys.platform == "darwin":
        return Launchd(Path.home())
    if shutil.which("systemctl") is None:
        return None
    return Systemd(system=home.path == SYSTEM_HOME, environment=environment)


class Systemd:
    """A unit of the user's own manager, or of the system's."""

    def __init__(self, *, system: bool, environment: Mapping[str, str] = os.environ) -> None:
        self._system = system
        config = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        folder = Path("/etc/systemd/system") if system else Path(config) / "systemd" / "user"
        self.file = folder / UNIT

    def install(self, home: Home, writes: Sequence[str] = ()) -> list[str]:
        if self._system:
            if home.path != SYSTEM_HOME:
                raise UsageError(
                    f"the service of the whole machine has its home in {SYSTEM_HOME}",
                    remedy=f"type: asl --home {SYSTEM_HOME} service install --system",
                )
            _require_account(SYSTEM_USER)
        self._write(home, writes)
        self._systemctl("enable", UNIT)
        self._systemctl("restart", UNIT)
        return [] if self._system else ["loginctl enable-linger   # to keep it while nobody is logged in"]

    def lets_write(self, home: Home, folder: str) -> bool:
        return not self._is_of(home) or folder in written_paths(self.file.read_text())

    def renew(self, home: Home, writes: Sequence[str], *, restart: bool) -> None:
        if not self._is_of(home):
            return
        if self._system and os.geteuid() != 0:
            named = "".join(f" --writes {shlex.quote(path)}" for path in writes)
            raise UserError(
                "the service of this machine may not write there, and only root can change that",
                remedy=f"type: sudo asl --home {SYSTEM_HOME} service install --system{named}",
            )
        self._write(home, writes)
        if restart and self.state() == "active":
            self._systemctl("restart", UNIT)

    def _is_of(self, home: Home) -> bool:
        return self.file.exists() and runs_home(self.file.read_text(), str(home))

    def _write(self, home: Home, writes: Sequence[str]) -> None:
        command = [asl_path(), "--home", str(home)]
        # A followed folder may be away, as a disk that is not plugged in: the daemon starts all the same.
        folders = [f"-{path}" for path in writes]
        text = system_unit(command, folders) if self._system else user_unit(command, [str(home), *folders])
        write_file(self.file, text.encode())
        self._systemctl("daemon-reload")

    def uninstall(self) -> None:
        if not self.file.exists():
            return
        self._systemctl("disable", "--now", UNIT)
        self.file.unlink()
        self._systemctl("daemon-reload")

    def do(self, verb: str) -> None:
        self._require_installed()
        self._systemctl(verb, UNIT)

    def state(self) -> str:
        if not self.file.exists():
            return "not installed"
        done = _run([*self._command(), "is-active", UNIT])
        return done.stdout.strip() or "unknown"

    def logs(self, lines: int, follow: bool) -> list[str]:
        scope = "--unit" if self._system else "--user-unit"
        return [
            "journalctl",
            "--no-pager",
            scope,
            UNIT,
            "--lines",
            str(lines),
            *(["--follow"] if follow else []),
        ]

    def _command(self) -> list[str]:
        return ["systemctl"] if self._system else ["systemctl", "--user"]

    def _systemctl(self, *words: str) -> None:
        require_done([*self._command(), *words])

    def _require_installed(self) -> None:
        if not self.file.exists():
            raise UserError("no service is installed", remedy="type: asl service install")


class Launchd:
    """An agent of the user on macOS, whose folder is `user_folder`."""

    def __init__(self, user_folder: Path) -> None:
        self.file = user_folder / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._log = user_folder / "Library" / "Logs" / "aslp2p.log"
        self._domain = f"gui/{os.getuid()}"

    def install(self, home: Home, writes: Sequence[str] = ()) -> list[str]:
        write_file(self.file, launch_agent([asl_path(), "--home", str(home)], self._log))
        if self.state() != "inactive":
            require_done(["launchctl", "bootout", f"{self._domain}/{LABEL}"])
        require_done(["launchctl", "bootstrap", self._domain, str(self.file)])
        return []

    def lets_write(self, home: Home, folder: str) -> bool:
        return True  # launchd confines an agent to nothing

    def renew(self, home: Home, writes: Sequence[str], *, restart: bool) -> None:
        pass

    def uninstall(self) -> None:
        if not self.file.exists():
            return
        if self.state() == "active":
            require_done(["launchctl", "bootout", f"{self._domain}/{LABEL}"])
        self.file.unlink()

    def do(self, verb: str) -> None:
        if not self.file.exists():
            raise UserError("no service is installed", remedy="type: asl service install")
        job = f"{self._domain}/{LABEL}"
        if verb == "stop":
            require_done(["launchctl", "bootout", job])
        elif self.state() == "inactive":
            require_done(["launchctl", "bootstrap", self._domain, str(self.file)])
        elif verb == "restart":
            require_done(["launchctl", "kickstart", "-k", job])

    def state(self) -> str:
        if not self.file.exists():
            return "not installed"
        done = _run(["launchctl", "print", f"{self._domain}/{LABEL}"])
        return "active" if done.returncode == 0 else "inactive"

    def logs(self, lines: int, follow: bool) -> list[str]:
        return ["tail", "-n", str(lines), *(["-f"] if follow else []), str(self._log)]


def asl_path() -> str:
    """The `asl` that runs now, as an absolute path. Raises `UserError` where it cannot be told."""
    found = shutil.which(sys.argv[0])
    if found is None or Path(found).name != "asl":
        beside = Path(sys.executable).with_name("asl")
        found = str(beside) if beside.exists() else shutil.which("asl")
    if found is None:
        raise UserError("cannot tell where `asl` is installed", remedy="install it, and type its whole path")
    return os.path.abspath(found)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all, with its folder. Raises `UserError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {path.parent} ({error.strerror})", remedy="see who owns it") from None
    atomic_write(path, data, mode=0o644)


def _require_account(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise UserError(
            f"there is no user {name} on this machine",
            remedy=f"type: useradd --system --home-dir {SYSTEM_HOME.parent} --shell /usr/sbin/nologin {name}",
        ) from None


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"cannot run {command[0]} ({error})", remedy="see whether it is installed") from None


def require_done(command: Sequence[str]) -> None:
    """Run `command`; raises `UserError` with what it said when it fails or takes a minute."""
    done = _run(command)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[
            -1
        ]
        raise UserError(f"`{' '.join(command)}` failed: {said}", remedy="see `asl service logs`")
