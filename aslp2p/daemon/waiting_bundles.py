"""What imported bundles left waiting is judged again while the daemon runs: by files and by links, parts of a
Common come in any order (section 10), and whichever comes last completes the others.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from aslp2p.daemon.bundle_methods import driven
from aslp2p.daemon.log_limiter import LogLimiter
from aslp2p.errors import AslError
from aslp2p.ledger.history import META_HEAD
from aslp2p.ledger.reader import Reader
from aslp2p.transfer.incoming import taking_again
from aslp2p.transfer.waiting import WAITING_NAME

if TYPE_CHECKING:
    from aslp2p.daemon.asked import AskedNode

logger = logging.getLogger(__name__)

LOOK_S = 5.0
"""How often it is seen whether what waits could be judged further."""


async def judge_waiting(node: AskedNode, folder: Path) -> None:
    """Judge what waits in `folder` at once, and again whenever the head or what is open is another one. Until
    cancelled.
    """
    log = LogLimiter(logger)
    judged: bytes | None = None
    while True:
        if (folder / WAITING_NAME).exists():
            try:
                # Asked before: what comes meanwhile is another reason to look.
                here = await node.query(_what_is_here)
                if here != judged:
                    await driven(taking_again(folder, node.id), node)
                    judged = here
            except (AslError, OSError) as error:  # a disk that is full, a store that is read-only
                log.warning("what waits for more paper cannot be judged now: %s", error)
        await trio.sleep(LOOK_S)


def _what_is_here(reader: Reader) -> bytes:
    """What may turn what waits into something that counts: the head, and what is open."""
    digest = hashlib.sha256(reader.meta(META_HEAD) or b"")
    for id_, _ in reader.open_artifacts():
        digest.update(id_)
    return digest.digest()
