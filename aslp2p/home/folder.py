"""The folder itself: where it is, whether it is one of ours, making it, the Commons in it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from aslp2p.errors import UsageError, UserError
from aslp2p.home.files import TEMPORARY_PREFIX, atomic_write, read_small, sync_folder
from aslp2p.limits import HOME_VERSION, ID_BYTES

_COMMON_NAME = re.compile(r"[0-9a-f]{16}")
_SMALL_BYTES_MAX = 256


class Home:
    """A home at `path`, which need not exist yet (`create`) and may be damaged (`check`)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))
        self.key = self.path / "key"
        self.name = self.path / "name"
        self.config = self.path / "config.toml"
        self.version = self.path / "version"
        self.lock = self.path / "lock"
        self.port = self.path / "port"
        self.default = self.path / "default"
        self.retired = self.path / "retired"

    @classmethod
    def locate(cls, option: str | None, environment: Mapping[str, str] = os.environ) -> Self:
        """The home that `--home` (`option`) names, else `ASL_HOME`, else the user's data folder."""
        named = option or environment.get("ASL_HOME")
        if named:
            return cls(named)
        import platformdirs  # only where nobody said where

        try:
            return cls(platformdirs.user_data_path("aslp2p"))
        except RuntimeError:  # neither HOME nor an entry of this user's in the list of users
            raise UserError(
                "nothing says where your files are: HOME is not set", remedy="name a home with --home DIR"
            ) from None

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether there is a home here; it may still not be usable (`check`)."""
        return self.version.is_file()

    def create(self) -> None:
        """Makes the folder, private, with its version; a home that is already there is checked and kept.

        Raises `UsageError` for a folder that holds anything else or that another user could exchange, and as
        `check` and `atomic_write` do.
        """
        if self.exists():
            return self.check()
        try:
            self._require_safe_place()
            for folder in (*reversed(self.path.parents), self.path):
                folder.mkdir(mode=0o700 if folder == self.path else 0o755, exist_ok=True)
            foreign = [name for name in os.listdir(self.path) if not name.startswith(TEMPORARY_PREFIX)]
            if foreign:
                raise UsageError(
                    f"{self.path} is not a home and holds other files ({min(foreign)})",
                    remedy="name a new or an empty folder with --home",
                )
            self.path.chmod(0o700)  # an empty folder made by hand, with the usual umask
            sync_folder(self.path.parent)
        except OSError as error:
            raise UserError(
                f"cannot make {self.path} ({error.strerror})", remedy="name another folder with --home"
            ) from None
        atomic_write(self.version, b"%d\n" % HOME_VERSION)
        return None

    def _require_safe_place(self) -> None:
        """Raises `UsageError` where another user could put a home of theirs in the place of this one: whoever
        owns a folder, or may write to it without its sticky bit, renames what is in it.
        """
        places = (self.path, self.path.resolve())  # a link is exchanged where it stands
        for folder in (*places, *places[0].parents, *places[1].parents):
            try:
                status = folder.stat()
            except FileNotFoundError:
                continue  # we make it
            others_write = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
            if status.st_uid not in (os.geteuid(), 0):
                problem = f"{folder} belongs to another user (uid {status.st_uid})"
            elif others_write and folder not in places:  # the home itself is closed in a moment
                problem = f"everybody may write to {folder}"
            else:
                continue
            raise UsageError(
                f"{problem}, who could exchange this machine's key", remedy="name another folder with --home"
            )

    def check(self) -> None:
        """Raises `UserError` unless this is a home, ours, private, and of a version that we know."""
        try:
            status = self.path.stat()
        except OSError:
            raise self._missing() from None
        if status.st_uid != os.geteuid():
            raise UserError(
                f"{self.path} belongs to another user (uid {status.st_uid})", remedy="run this as them"
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise UserError(f"others can look into {self.path}", remedy=f"type: chmod 700 {self.path}")
        written = read_small(self.version, _SMALL_BYTES_MAX)
        if written is None:
            raise self._missing()
        if not written.strip().isdigit():
            raise UserError(
                f"{self.version} is damaged",
                remedy=f"it should hold {HOME_VERSION} or the number in a backup",
            )
        version = int(written)
        if version > HOME_VERSION:
            raise UserError(
                f"{self.path} was written by a newer aslp2p "
                f"(home version {version}, this one knows {HOME_VERSION})",
                remedy="install that one, or name another home with --home",
            )

    def _missing(self) -> UserError:
        return UserError(f"there is no home at {self.path}", remedy="make one with `asl init` or `asl join`")

    # --- Commons ----------------------------------------------------------------------------------

    def common_folder(self, common_id: bytes) -> Path:
        """Where the Common `common_id` (32 bytes) is kept, or would be."""
        return self.path / "commons" / common_id.hex()[:16]

    def create_common_folder(self, common_id: bytes) -> Path:
        """`common_folder`, made if it is missing. Raises `UserError` when it cannot be."""
        folder = self.common_folder(common_id)
        try:
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)
            sync_folder(self.path)
        except OSError as error:
            raise UserError(
                f"cannot make {folder} ({error.strerror})", remedy="see that the home is there and is yours"
            ) from None
        return folder

    def commons(self) -> list[Path]:
        """The folders of all Commons that are kept here, by name; `UserError` if they cannot be read."""
        folder = self.path / "commons"
        try:
            entries = sorted(folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(
                f"cannot read {folder} ({error.strerror})", remedy="see who owns it, and its mode"
            ) from None
        return [entry for entry in entries if _COMMON_NAME.fullmatch(entry.name) and entry.is_dir()]

    def default_common(self) -> bytes | None:
        """The id of the Common that commands mean when they name none; None when there is none."""
        written = read_small(self.default, _SMALL_BYTES_MAX)
        if written is None:
            return None
        try:
            common_id = bytes.fromhex(written.decode("ascii").strip())
        except ValueError:
            common_id = b""
        if len(common_id) != ID_BYTES:
            raise UserError(f"{self.default} is damaged", remedy="remove it, and choose with --common")
        return common_id

    def set_default_common(self, common_id: bytes) -> None:
        """Makes `common_id` (32 bytes) the default, durably. Raises as `atomic_write` does."""
        atomic_write(self.default, common_id.hex().encode("ascii") + b"\n")

    # --- port -------------------------------------------------------------------------------------

    def remembered_port(self) -> int | None:
        """The port that the daemon listened on last, 1 to 65535; None when there is none to trust."""
        written = (read_small(self.port, _SMALL_BYTES_MAX) or b"").strip()
        port = int(written) if written.isdigit() and len(written) <= 5 else 0
        return port if 1 <= port <= 65535 else None

    def remember_port(self, port: int) -> None:
        """Keeps `port` for the next start, so that addresses that others remember stay good."""
        if self.remembered_port() != port:
            atomic_write(self.port, b"%d\n" % port)
