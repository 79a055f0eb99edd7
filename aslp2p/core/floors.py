"""The floors that the higher parts of a node stand on: each holds the parts that are handed on together."""

from __future__ import annotations

from typing import NamedTuple

from aslp2p.core.attempts import Attempts
from aslp2p.core.audit import Audit
from aslp2p.core.catchup import Catchup
from aslp2p.core.certificates import Certificates
from aslp2p.core.chain import Chain
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.pending import Pending
from aslp2p.core.promises import Promises
from aslp2p.core.role import Roles
from aslp2p.core.spread import Spreader


class Shared(NamedTuple):
    """What every part of a node shares."""

    context: Context
    pending: Pending
    spreader: Spreader


class Sync(NamedTuple):
    """How history and contents come in."""

    chain: Chain
    contents: Contents
    catchup: Catchup
    audit: Audit


class Office(NamedTuple):
    """What a witness and an authority decide with."""

    certificates: Certificates
    promises: Promises
    roles: Roles
    attempts: Attempts
