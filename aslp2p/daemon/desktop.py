"""Desktop notifications over D-Bus (`org.freedesktop.Notifications`).

Nothing is loaded or connected before there is something to tell, and the connection ends with it. Where there
is no session bus, or nobody on it shows notifications yet, `CannotTell` says so.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from aslp2p.daemon.notices import CannotTell
from aslp2p.home.notices import KeptNotice

ANSWER_S = 10.0
_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_NORMAL, _CRITICAL = 1, 2


class Desktop:
    """The way over the session bus of this user."""

    name = "desktop"

    async def tell(self, kept: KeptNotice) -> None:
        """Returns when a notification server has taken it. Raises `CannotTell`."""
        address = session_bus()
        if address is None:
            raise CannotTell("there is no session bus")
        from jeepney.io.trio import open_dbus_router

        refused = ""
        try:
            with trio.fail_after(ANSWER_S):
                async with open_dbus_router(bus=address) as router:
                    refused = await _show(router, kept)
        except Exception as error:  # whatever sits on the bus: it must not end the daemon
            raise CannotTell(f"the session bus does not answer: {error!r}") from None
        if refused:
            raise CannotTell(f"nobody shows notifications: {refused}")


def session_bus(environment: Mapping[str, str] = os.environ) -> str | None:
    """The address of the session bus; a service has none in its environment, but its socket has a place."""
    if address := environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    runtime = environment.get("XDG_RUNTIME_DIR")
    socket = Path(runtime) / "bus" if runtime else None
    return f"unix:path={socket}" if socket is not None and socket.is_socket() else None


async def _show(router: Any, kept: KeptNotice) -> str:
    """The name of the error that came instead of an answer, or nothing."""
    from jeepney import DBusAddress, DBusErrorResponse, new_method_call
    from jeepney.wrappers import unwrap_msg

    where = DBusAddress(_PATH, bus_name=_NAME, interface=_NAME)
    ask = new_method_call(where, "GetCapabilities")
    try:
        (capabilities,) = unwrap_msg(await router.send_and_get_reply(ask))
        body = _body(kept, markup="body-markup" in capabilities)
        notify = new_method_call(where, "Notify", "susssasa{sv}i", body)
        unwrap_msg(await router.send_and_get_reply(notify))
    except DBusErrorResponse as error:
        return str(error.name)
    return ""


def _body(kept: KeptNotice, *, markup: bool) -> tuple[Any, ...]:
    notice = kept.notice
    text = f"{notice.text}\n{notice.remedy}" if notice.remedy else notice.text
    hints = {"urgency": ("y", _CRITICAL if notice.urgent else _NORMAL)}
    title = f"aslp2p: {notice.common}" if notice.common else "aslp2p"
    return ("aslp2p", 0, "", title, html.escape(text, quote=False) if markup else text, [], hints, -1)
