"""Where the daemon's service may write: a followed folder is in its unit before the daemon touches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aslp2p.cli.settings import Settings
from aslp2p.cli.source import existing_home
from aslp2p.errors import AslError, UserError
from aslp2p.home import Home
from aslp2p.home.followed import load_followed
from aslp2p.service.managers import manager_of


@contextmanager
def writable(settings: Settings, folder: str) -> Iterator[bool]:
    """Within it the installed service of this home, if there is one, may write in `folder`, an absolute path;
    it says whether the service had to be started again for that. What fails within takes the right back.

    Raises `UserError` with what to type where only root can change the service.
    """
    home = existing_home(settings)
    manager = manager_of(home)
    if manager is None or manager.lets_write(home, folder):
        yield False
        return
    manager.renew(home, [*_followed(home), folder], restart=True)
    try:
        yield True
    except AslError:
        manager.renew(home, _followed(home), restart=False)
        raise


def forget_writable(settings: Settings) -> None:
    """Takes folders that are followed no longer out of the unit, from the daemon's next start on."""
    home = existing_home(settings)
    if manager := manager_of(home):
        with suppress(UserError):  # root's unit: it lets too much until root installs it anew
            manager.renew(home, _followed(home), restart=False)


def _followed(home: Home) -> list[str]:
    return [one.folder for one in load_followed(home)]
