"""Hearing of changes in a folder: inotify, read in trio's own loop.

A watch holds for one folder, not for what is below it, so `cover` is called before every scan: first it
watches, then the scan lists, and nothing that comes in between is missed. Where the queue overflows, or
watches run out, the next scan finds what was not told.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Any

import trio

from aslp2p.worktree.names import TEMPORARY_PREFIX, is_git_folder


class Watch:
    """Changes in the folder at `path` and below it. `problem` says why not all is watched, or is empty."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inotify: Any = None
        self.problem = ""
        if sys.platform == "linux":
            import inotify_simple

            try:
                self._inotify = inotify_simple.INotify(nonblocking=True)
            except OSError as error:
                self.problem = f"changes are not told ({error.strerror}); it is looked at every minute"
        else:
            self.problem = "this system tells of no changes; it is looked at every minute"

    def cover(self) -> None:
        """Watch every folder that is there now. Blocks."""
        if self._inotify is None:
            return
        from inotify_simple import flags

        mask = (
            flags.CREATE | flags.MODIFY | flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
        )
        mask |= flags.ATTRIB | flags.DONT_FOLLOW | flags.ONLYDIR
        self.problem = ""
        todo = [self._path]
        while todo:
            folder = todo.pop()
            try:
                self._inotify.add_watch(folder, mask)  # before it is listed: what comes then is told
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    limit = "sysctl fs.inotify.max_user_watches=1048576"
                    self.problem = f"watches have run out, so it is looked at every minute; for more: {limit}"
                    return
            with suppress(OSError), os.scandir(folder) as entries:  # gone since, or not ours to read
                todo += [
                    entry.path
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and not is_git_folder(entry.name)
                ]

    async def changed(self) -> None:
        """Returns after something was told that is not our own doing. Never returns where nothing is told."""
        if self._inotify is None:
            await trio.sleep_forever()
        while True:
            await trio.lowlevel.wait_readable(self._inotify.fileno())
            events = self._inotify.read(timeout=0)
            if any(not event.name.startswith(TEMPORARY_PREFIX) for event in events):
                return

    def close(self) -> None:
        """Ends it; what is told meanwhile is lost."""
        if self._inotify is not None:
            self._inotify.close()
