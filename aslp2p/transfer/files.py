"""Files that are written in a stream and are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from aslp2p.errors import UserError
from aslp2p.home.files import TEMPORARY_PREFIX, require_replaceable, sync_folder


@contextmanager
def written_whole(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A file to write; once the block ends well it is synced and put at `path`, in place of what was there.

    When the block fails, `path` is as it was. Raises `UserError` when the file cannot be written, or what is
    there is no file.
    """
    require_replaceable(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}")
    umask = os.umask(0)
    os.umask(umask)
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & ~umask)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {path} ({error.strerror})", remedy="see that there is room and that it is allowed"
        ) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
