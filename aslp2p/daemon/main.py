"""`asl up`: the daemon of one home, from the lock to the last goodbye.

Order: lock, key, port, control socket, every Common (its store, thread and core), then accept, dial and
announce. On SIGINT or SIGTERM the same backwards: mDNS says goodbye, links end, stores are closed. A second
signal ends the process at once; that loses nothing that was promised, for a promise is on disk first. On
SIGHUP `config.toml` is read again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import ExitStack, suppress

import trio

from aslp2p.daemon.daemon import Daemon
from aslp2p.daemon.listening import listen
from aslp2p.daemon.sdnotify import feed_watchdog, notify
from aslp2p.errors import AslError, UserError
from aslp2p.home import Home
from aslp2p.home.config import Config
from aslp2p.home.doubt import is_offline
from aslp2p.home.key import Passphrase, load_key
from aslp2p.home.lock import HomeLock

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""How long one thread may keep another from running Python: the default, 5 ms, is the largest part of a round
trip when the trio thread and a Common's are both busy."""


def run(home: Home, config: Config, *, passphrase: Passphrase | None = None, to_join: bool = False) -> None:
    """Run the daemon of `home` in the foreground, until it is told to stop.

    `passphrase` is asked when the key is sealed (None: the environment or the terminal). `to_join`: also with
    no Common yet, as `asl join` needs it. Raises `UserError`: a home without a Common, another daemon, a
    wrong passphrase, a port in use.
    """
    start_logging(config.log_level)
    home.check()
    if is_offline(home):
        raise UserError(
            f"{home} holds a key that never goes on a network",
            remedy="sign with: asl endorse ID --offline FILE -o ANSWER",
        )
    if not home.commons() and not to_join:
        raise UserError(f"{home} follows no Common yet", remedy="type `asl init` or `asl join INVITE` first")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with HomeLock(home), ExitStack() as sockets:
        identity = load_key(home, passphrase)
        remembered = home.remembered_port()
        listeners = listen(config.listen_addresses, config.listen_port, remembered)
        for listener in listeners:
            sockets.enter_context(listener)
        try:
            trio.run(_run, Daemon(home, config, identity, listeners))
        except BaseExceptionGroup as group:
            # Not `except*`: until Python 3.11.3 what it raises comes out in a group again.
            ours, bugs = group.split(AslError)
            if ours is None or bugs is not None:
                raise
            raise _first(ours) from None


async def _run(daemon: Daemon) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_signals, daemon)
        await nursery.start(daemon.run)
        daemon.home.remember_port(daemon.port)  # not before every store is known to be ours to write
        print(await daemon.ready_line(), flush=True)
        notify("READY=1")
        nursery.start_soon(feed_watchdog, daemon.makes_progress)
        await daemon.stopped.wait()
        notify("STOPPING=1")
        nursery.cancel_scope.cancel()


async def _watch_signals(daemon: Daemon) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async for number in signals:
            if number == signal.SIGHUP:
                daemon.reload()
                continue
            logger.info("stopping: %s", signal.Signals(number).name)
            break
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, _end_now)
    daemon.stop()


def _end_now(number: int, frame: object) -> None:
    os._exit(128 + number)


def _first(group: BaseExceptionGroup[AslError]) -> AslError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AslError)  # noqa: S101 - the group holds nothing else
    return error


def start_logging(level: str) -> None:
    """One line an event, on standard error; journald adds the time itself."""
    stamped = "JOURNAL_STREAM" not in os.environ
    form = ("%(asctime)s " if stamped else "") + "%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=form, force=True)
    for other in ("zeroconf", "asyncio"):  # their warnings are what a network without a route is like
        logging.getLogger(other).setLevel(logging.ERROR if level != "debug" else logging.DEBUG)
    with suppress(AttributeError):
        logging.raiseExceptions = False
