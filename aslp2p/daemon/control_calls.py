"""From one decoded JSON value to the line that answers it: requests, notifications, batches, errors.

An error that we raise on purpose goes to the client, any other one to the log and the client learns only
that it happened. `InvariantBroken` goes to the client and is kept in `broken`: whoever sends the answer
raises it then, because nothing may go on after it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from aslp2p.control import protocol
from aslp2p.control.protocol import ProtocolError
from aslp2p.daemon.control_methods import InvalidParams, Method
from aslp2p.errors import AslError, InvariantBroken
from aslp2p.limits import CONTROL_BATCH_MAX, CONTROL_LINE_BYTES_MAX

logger = logging.getLogger(__name__)

_ID_BYTES_MAX = 128
_NAME_SHOWN = 64
_FAILURE_BYTES = 512
"""A failure without data, id included, is shorter."""


class Calls:
    """Answers messages with `methods`. `broken` is set once there is an error that ends everything."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods
        self.broken: InvariantBroken | None = None

    async def answer(self, message: object) -> bytes | None:
        """The line that answers `message`, or None where nothing is to be answered (notifications)."""
        if not isinstance(message, list):
            return await self._answer_one(message)
        if not 1 <= len(message) <= CONTROL_BATCH_MAX:
            return _failure(
                None, protocol.INVALID_REQUEST, f"a batch holds 1 to {CONTROL_BATCH_MAX} requests"
            )
        room = CONTROL_LINE_BYTES_MAX - _FAILURE_BYTES * (len(message) + 1)
        answers: list[bytes] = []
        for request in message:
            answer = await self._answer_one(request)
            if answer is None:
                continue
            if len(answer) > _FAILURE_BYTES:
                if len(answer) > room:
                    problem = "the answers to this batch are more than a line holds"
                    answer = _failure(request["id"], protocol.INTERNAL_ERROR, problem)
                else:
                    room -= len(answer)
            answers.append(answer.rstrip(b"\n"))
        return b"[" + b",".join(answers) + b"]\n" if answers else None

    async def _answer_one(self, message: object) -> bytes | None:
        problem = _request_problem(message)
        if problem or not isinstance(message, dict):
            id_ = message.get("id") if isinstance(message, dict) else None
            return _failure(id_ if _is_id(id_) else None, protocol.INVALID_REQUEST, problem)
        id_, name = message.get("id"), message["method"]
        try:
            answer = protocol.encode(await self._run(id_, name, message.get("params", {})))
        except ProtocolError as error:
            logger.error("the answer to %.64s cannot be sent: %s", name, error.message)
            answer = _failure(id_, error.code, error.message)
        return answer if "id" in message else None

    async def _run(self, id_: object, name: str, params: Any) -> dict[str, Any]:
        method = self._methods.get(name)
        if method is None:
            return protocol.failure(id_, protocol.METHOD_NOT_FOUND, f"no method {name[:_NAME_SHOWN]!r}")
        if not isinstance(params, dict):
            return protocol.failure(
                id_, protocol.INVALID_PARAMS, "parameters are given by name, in an object"
            )
        try:
            return protocol.result(id_, await method(params))
        except Exception as error:
            return self._failed(id_, name, _only(error))

    def _failed(self, id_: object, name: str, error: Exception) -> dict[str, Any]:
        if isinstance(error, InvalidParams):
            return protocol.failure(id_, protocol.INVALID_PARAMS, error.message, {"field": error.field})
        if isinstance(error, InvariantBroken):
            self.broken = error
        if isinstance(error, AslError):
            return protocol.application_failure(id_, error)
        logger.error("control method %s failed", name, exc_info=error)
        return protocol.failure(id_, protocol.INTERNAL_ERROR, f"internal error ({type(error).__name__})")


def _failure(id_: object, code: int, message: str) -> bytes:
    return protocol.encode(protocol.failure(id_, code, message))


def _is_id(id_: object) -> bool:
    return id_ is None or (type(id_) in (int, str) and len(protocol.encode(id_)) <= _ID_BYTES_MAX)


def _request_problem(message: object) -> str:
    """What keeps `message` from being a JSON-RPC 2.0 request, or nothing."""
    if not isinstance(message, dict):
        return "a request is an object"
    if message.get("jsonrpc") != "2.0":
        return 'jsonrpc is "2.0"'
    if not isinstance(message.get("method"), str):
        return "method is a string"
    if not _is_id(message.get("id")):
        return f"id is an integer, a string or null, of at most {_ID_BYTES_MAX} bytes"
    if not isinstance(message.get("params", {}), dict | list):
        return "params is an object"
    return ""


def _only(error: Exception) -> Exception:
    """What a nursery inside a method wrapped, where it is a single error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
