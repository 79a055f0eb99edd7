"""What the control socket can be asked (`docs/control.md` has the table).

Every method is an ordinary annotated function; `typed` checks its parameters. A method about one Common takes
`common`: a name, 4 or more digits of an id, or nothing for the default. The questions in `views.queries`
become methods as they are, so a stopped home and a running daemon answer alike.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from aslp2p import __version__
from aslp2p.artifacts.keys import key_text
from aslp2p.artifacts.types import Admit, Expel, Forget, Remove, Rename
from aslp2p.core.inputs import Dismiss, ReadAt, Withdraw
from aslp2p.daemon.asked import AskedDaemon, AskedNode
from aslp2p.daemon.backup_methods import BackupMethods
from aslp2p.daemon.bundle_methods import BundleMethods
from aslp2p.daemon.control_methods import Method, typed
from aslp2p.daemon.folder_methods import FolderMethods
from aslp2p.daemon.get_methods import GetMethods
from aslp2p.daemon.invite_methods import InviteMethods
from aslp2p.daemon.keeping_methods import KeepingMethods
from aslp2p.daemon.pairing_methods import PairingMethods
from aslp2p.daemon.proposing import ExpectsText, expected, made, propose
from aslp2p.daemon.put_methods import PutMethods
from aslp2p.daemon.statuses import commons_status, machine_status
from aslp2p.daemon.succession_methods import SuccessionMethods
from aslp2p.errors import UserError
from aslp2p.home.names import name_is_chosen
from aslp2p.ledger.policy_file import SELF
from aslp2p.ledger.reader import Reader
from aslp2p.limits import PROTOCOL_VERSION, REJECTIONS_MAX
from aslp2p.views.actions import action_from_json, parse_id
from aslp2p.views.commons import Followed, choose_common, common_status
from aslp2p.views.people import member_key, require_name
from aslp2p.views.queries import QUERIES
from aslp2p.views.view import View

logger = logging.getLogger(__name__)

T = TypeVar("T")


def control_methods(daemon: AskedDaemon) -> dict[str, Method]:
    """Every method by its name."""
    methods = _Methods(daemon)
    table: dict[str, Callable[..., Awaitable[Any]]] = {
        "version": methods.version,
        "status": methods.status,
        "stop": methods.stop,
        "notices": methods.notices,
        "notices.see": methods.notices_see,
        "commons": methods.commons,
        "common.open": methods.common_open,
        "common.forget": methods.common_forget,
        "common.trust": methods.common_trust,
        "pin": methods.pin,
        "unpin": methods.unpin,
        "dismiss": methods.dismiss,
        "peers": methods.peers,
        "propose": methods.propose,
        "withdraw": methods.withdraw,
        "remove": methods.remove,
        "admit": methods.admit,
        "expel": methods.expel,
        "rename": methods.rename,
        "members.forget": methods.members_forget,
        **SuccessionMethods(methods._node, methods._view).table(),
        **FolderMethods(daemon.folders, lambda common: methods._node(common).id).table(),
        **InviteMethods(daemon.home, methods._node, methods._view).table(),
        **KeepingMethods(methods._node, methods._view).table(),
        **PairingMethods(daemon.pairings).table(),
        **BundleMethods(daemon.home, methods._node).table(),
        **BackupMethods(daemon).table(),
        **PutMethods(daemon.home, methods._node).table(),
        **GetMethods(methods._node, methods._view).table(),
    }
    made = {name: typed(function) for name, function in table.items()}
    made.update((name, typed(methods.asking(function))) for name, function in QUERIES.items())
    return made


class _Methods:
    def __init__(self, daemon: AskedDaemon) -> None:
        self._daemon = daemon

    # --- the daemon and its Commons ---------------------------------------------------------------

    async def version(self) -> dict[str, Any]:
        return {"version": __version__, "protocol": PROTOCOL_VERSION}

    async def status(self) -> dict[str, Any]:
        daemon = self._daemon
        commons = await commons_status(daemon.home, daemon.own_key, daemon.nodes, daemon.unopened)
        for one in commons:
            one["folders"] = daemon.folders.shown(one["id"])
        answer = {
            "daemon": {
                "version": __version__,
                "pid": os.getpid(),
                "port": daemon.port,
                "started_ms": daemon.started_ms,
                "home": str(daemon.home),
                "key": key_text(daemon.own_key),
                "foreign": list(daemon.foreign),
                "unseen": len(daemon.notices.shown()),
            },
            "machine": await machine_status(daemon.home, network=daemon.network),
            "commons": commons,
        }
        return {**answer, "conditions": daemon.conditions.look(answer)}

    async def notices(self) -> dict[str, Any]:
        return {"notices": self._daemon.notices.shown()}

    async def notices_see(self, keys: list[str]) -> dict[str, Any]:
        self._daemon.notices.see(keys)
        return {}

    async def stop(self) -> dict[str, Any]:
        self._daemon.stop()
        return {}

    async def commons(self) -> dict[str, Any]:
        default = self._daemon.home.default_common()
        return {
            "commons": [
                {"id": node.id.hex(), "name": node.name, "default": node.id == default}
                for node in self._daemon.nodes.values()
            ]
        }

    async def common_open(self, id: str) -> dict[str, Any]:
        await self._daemon.open_common(parse_id(id))
        return {}

    async def common_forget(self, common: str) -> dict[str, Any]:
        node = self._node(common)
        was_default = self._daemon.home.default_common() == node.id
        await self._daemon.forget(node.id)
        if was_default:
            self._daemon.home.default.unlink(missing_ok=True)
        return {"id": node.id.hex(), "name": node.name}

    async def common_trust(self, common: str) -> dict[str, Any]:
        node = self._node(common)
        await trio.to_thread.run_sync(self._daemon.home.set_default_common, node.id)
        return {"id": node.id.hex(), "name": node.name}

    async def pin(self, id: str, common: str = "") -> dict[str, Any]:
        """Keep reading at the snapshot `id`."""
        node, snapshot = self._node(common), parse_id(id)
        if await node.query(lambda reader: reader.snapshot(snapshot)) is None:
            raise UserError("no snapshot here has that id", remedy="see: asl log")
        await node.command(ReadAt(snapshot))
        return {}

    async def unpin(self, common: str = "") -> dict[str, Any]:
        """Read the newest version again."""
        await self._node(common).command(ReadAt(None))
        return {}

    async def dismiss(self, ids: list[str], common: str = "") -> dict[str, Any]:
        """Tell no more of these refused proposals."""
        await self._node(common).command(Dismiss(tuple(map(parse_id, ids[:REJECTIONS_MAX]))))
        return {}

    async def peers(self, common: str = "") -> dict[str, Any]:
        """Who is linked, with the names that the history has for them."""
        node = self._node(common)
        live = node.live()
        links: list[dict[str, Any]] = live.get("links", [])

        def named(reader: Reader) -> list[dict[str, Any]]:
            status = common_status(reader, own_key=self._daemon.own_key, name_chosen=False, default=None)
            if status["height"] is None:
                return [{**link, "name": ""} for link in links]
            view = self._view(reader)
            return [{**link, "name": view.label(bytes.fromhex(link["key"][-64:]))} for link in links]

        return {
            "peers": await node.query(named),
            "addresses": live.get("addresses", []),
            "places": node.places(),
            "refused_by": live.get("refused_by", {}),
        }

    # --- proposing --------------------------------------------------------------------------------

    async def propose(self, action: dict[str, Any], common: str = "") -> dict[str, Any]:
        return await propose(self._node(common), action_from_json(action))

    async def withdraw(self, id: str, common: str = "") -> dict[str, Any]:
        return {"withdrawn": await self._node(common).command(Withdraw(parse_id(id)))}

    async def remove(self, path: str, common: str = "", expects: ExpectsText = None) -> dict[str, Any]:
        return await propose(self._node(common), made(Remove, path, expected(expects)))

    async def admit(self, key: str, name: str, common: str = "") -> dict[str, Any]:
        require_name(name)
        action = action_from_json({"kind": "admit", "key": key, "name": name})
        assert isinstance(action, Admit)  # noqa: S101 - of the kind asked for
        return await propose(self._node(common), action)

    async def expel(self, member: str, common: str = "") -> dict[str, Any]:
        node = self._node(common)
        return await propose(node, Expel(await self._member(node, member)))

    async def members_forget(self, member: str, common: str = "") -> dict[str, Any]:
        node = self._node(common)
        return await propose(node, Forget(await self._member(node, member)))

    async def rename(self, member: str, name: str, common: str = "") -> dict[str, Any]:
        node = self._node(common)
        key = await self._member(node, member)
        require_name(name)
        return await propose(node, made(Rename, key, name))

    async def _member(self, node: AskedNode, member: str) -> bytes:
        """The key of the member that a name, a key or `self` names."""
        if member == SELF:
            return self._daemon.own_key
        return await node.query(lambda reader: member_key(self._view(reader), member))

    # --- asking -----------------------------------------------------------------------------------

    def asking(self, question: Callable[..., dict[str, Any]]) -> Callable[..., Awaitable[Any]]:
        """The method that answers `question` of a Common: its parameters but the view, and `common`."""

        async def ask(common: str = "", **params: Any) -> dict[str, Any]:
            return await self._node(common).query(lambda reader: question(self._view(reader), **params))

        own = list(inspect.signature(question, eval_str=True).parameters.values())[1:]
        own = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in own]
        common = inspect.Parameter("common", inspect.Parameter.KEYWORD_ONLY, default="", annotation=str)
        ask.__signature__ = inspect.Signature([common, *own])  # type: ignore[attr-defined]
        ask.__annotations__ = {parameter.name: parameter.annotation for parameter in (common, *own)}
        return ask

    def _node(self, common: str) -> AskedNode:
        nodes = self._daemon.nodes
        followed = [Followed(node.id, node.name) for node in nodes.values()]
        return nodes[choose_common(followed, common, self._daemon.home.default_common()).id]

    def _view(self, reader: Reader) -> View:
        return View(reader, own_key=self._daemon.own_key, name_chosen=name_is_chosen(self._daemon.home))
