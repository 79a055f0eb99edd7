"""The control methods about folders that are followed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from aslp2p.daemon.folders import Folders
from aslp2p.errors import UsageError
from aslp2p.home.followed import FollowedFolder


class FolderMethods:
    """`folder.…`; `common_id` resolves what a person calls a Common."""

    def __init__(self, folders: Folders, common_id: Callable[[str], bytes]) -> None:
        self._folders = folders
        self._common_id = common_id

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {
            "folder.add": self.add,
            "folder.list": self.list,
            "folder.pause": self.pause,
            "folder.resume": self.resume,
            "folder.remove": self.remove,
            "folder.approve": self.approve,
        }

    async def add(
        self,
        folder: str,
        path: str = "",
        common: str = "",
        receive: bool = True,
        send: bool = True,
        hidden: bool = False,
    ) -> dict[str, Any]:
        """Keep `folder`, an absolute path, in step with what is below `path`."""
        common_id = self._common_id(common).hex()
        await self._folders.add(FollowedFolder(_absolute(folder), "", common_id, path, receive, send, hidden))
        return {}

    async def list(self) -> dict[str, Any]:
        """All that are followed, and what is to be said of each."""
        return {"folders": self._folders.shown()}

    async def pause(self, folder: str) -> dict[str, Any]:
        """Leave it as it is until `resume`."""
        self._folders.change(_absolute(folder), paused=True)
        return {}

    async def resume(self, folder: str) -> dict[str, Any]:
        """Go on."""
        self._folders.change(_absolute(folder), paused=False)
        return {}

    async def remove(self, folder: str) -> dict[str, Any]:
        """Follow it no longer; its files stay."""
        await self._folders.remove(_absolute(folder))
        return {}

    async def approve(self, folder: str) -> dict[str, Any]:
        """The removals that it asks about are meant."""
        self._folders.approve(_absolute(folder))
        return {}


def _absolute(folder: str) -> str:
    if not os.path.isabs(folder):
        raise UsageError(f"{folder} is no absolute path")
    return os.path.normpath(folder)
