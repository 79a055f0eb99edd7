"""People at work in a folder: random changes, as programs make them, and what must not be lost of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

NAMES = ("notes", "Plan.txt", "plan.txt", "a", "b", "é")
ENDS = ("", ".txt", ".md")


class Person:
    """Whoever works in `folder`. `owed` are contents that somebody wrote and nobody has replaced or removed
    since; all people of one Common share it.
    """

    def __init__(self, folder: Path, name: str, owed: set[bytes], random: Random) -> None:
        self.folder = folder
        self._name = name
        self._owed = owed
        self._random = random
        self._count = 0
        self._kinds: tuple[Callable[[], None], ...] = (
            self._create,
            self._create,
            self._edit,
            self._append,
            self._save_by_rename,
            self._rename,
            self._swap,
            self._rename_case,
            self._rename_folder,
            self._turn,
            self._delete,
            self._chmod,
        )

    def work(self) -> None:
        """One change; none where what it was about has gone, or something is in its place."""
        with suppress(OSError):
            self._random.choice(self._kinds)()

    def files(self) -> list[Path]:
        """What the person sees."""
        found = []
        for folder, names, files in os.walk(self.folder):
            names[:] = [name for name in names if not name.startswith(".")]
            found += [Path(folder, name) for name in files if not name.startswith(".")]
        return sorted(path for path in found if path.is_file() and not path.is_symlink())

    # --- kinds of work ------------------------------------------------------------------------------------

    def _create(self) -> None:
        path = self._somewhere()
        path.parent.mkdir(parents=True, exist_ok=True)
        data = self._data()
        with path.open("xb") as file:
            file.write(data)
        self._owed.add(data)

    def _edit(self) -> None:
        data = self._data()
        with self._any().open("r+b") as file:
            old = file.read()
            file.seek(0)
            file.write(data)
            file.truncate()
        self._replaced(old, data)

    def _append(self) -> None:
        with self._any().open("a+b") as file:
            file.seek(0)
            old = file.read()
            data = self._data()
            file.write(data)
        self._replaced(old, old + data)

    def _save_by_rename(self) -> None:
        path, data = self._any(), self._data()
        old = path.read_bytes()
        aside = path.with_name(".#saving")  # as editors call it: ignored
        aside.write_bytes(data)
        os.replace(aside, path)
        self._replaced(old, data)

    def _rename(self) -> None:
        old, new = self._any(), self._somewhere()
        new.parent.mkdir(parents=True, exist_ok=True)
        if not new.exists():
            old.rename(new)

    def _swap(self) -> None:
        one, other = self._any(), self._any()
        if one != other:
            aside = self.folder / ".#swapping"
            one.rename(aside)
            try:
                other.rename(one)
            except OSError:  # gone meanwhile, or its folder is
                other = one
            other.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(other)

    def _rename_case(self) -> None:
        path = self._any()
        new = path.with_name(path.name.swapcase())
        if not new.exists():
            path.rename(new)

    def _rename_folder(self) -> None:
        folder, new = self._any().parent, self.folder / self._random.choice(NAMES)
        if folder != self.folder and not new.exists() and self.folder in new.parents:
            with suppress(OSError):  # a folder does not go into itself
                folder.rename(new)

    def _turn(self) -> None:
        """A file becomes a folder, or a folder a file."""
        path = self._any()
        data = self._data()
        if self._random.random() < 0.5 or path.parent == self.folder:
            old = path.read_bytes()
            path.unlink()
            path.mkdir()
            (path / "inside").write_bytes(data)
            self._replaced(old, data)
        else:
            folder = path.parent
            for file in [one for one in self.files() if folder in one.parents]:
                self._owed.discard(file.read_bytes())
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                folder.write_bytes(data)
                self._owed.add(data)

    def _delete(self) -> None:
        path = self._any()
        self._owed.discard(path.read_bytes())
        path.unlink()

    def _chmod(self) -> None:
        path = self._any()
        path.chmod(path.stat().st_mode ^ 0o111)

    # --- names and contents -------------------------------------------------------------------------------

    def _replaced(self, old: bytes, new: bytes) -> None:
        self._owed.discard(old)
        self._owed.add(new)

    def _any(self) -> Path:
        files = self.files()
        if not files:
            raise FileNotFoundError
        return self._random.choice(files)

    def _somewhere(self) -> Path:
        depth = self._random.choice((0, 0, 1, 1, 2))
        folders = [self._random.choice(NAMES) for _ in range(depth)]
        name = self._random.choice(NAMES) + self._random.choice(ENDS)
        return self.folder.joinpath(*folders, name)

    def _data(self) -> bytes:
        self._count += 1
        return b"%s %d\n" % (self._name.encode(), self._count) * self._random.choice((1, 1, 9, 4000))
