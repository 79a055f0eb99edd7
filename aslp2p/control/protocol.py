"""JSON-RPC 2.0, one JSON value a line: how lines are made and read, on both ends of the control socket.

A line is UTF-8 (what is written here is its ASCII part: a lone surrogate from a file name survives as an
escape), ends with a newline and is at most `CONTROL_LINE_BYTES_MAX` long with it. `docs/control.md` is the
description for clients in other languages.
"""

from __future__ import annotations

import json

from aslp2p.errors import AslError, UserError
from aslp2p.limits import CONTROL_LINE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would be a tenth of the time that `asl status` may take
    from collections.abc import Mapping
    from typing import Any, NoReturn

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
APPLICATION_ERROR = 1
"""An `AslError`; `data` holds its code, message, remedy and exit code."""

OVERFLOW = "overflow"
"""The topic of the event that tells a slow subscriber how many it has lost."""


class ProtocolError(Exception):
    """A line that is no message. `code` is one of JSON-RPC's; the message says what is wrong with it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class RemoteError(UserError):
    """The daemon's answer to a call that failed, with the message, remedy, code and exit code it had there.

    `data` is the whole error's data; `rule` is the rule that failed, or empty.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str = "user",
        exit_code: int = 1,
        data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.exit_code = exit_code
        self.data: dict[str, Any] = data or {}
        self.rule = str(self.data.get("rule", ""))


def encode(message: object) -> bytes:
    """`message` as one line. Raises `ProtocolError` when it is no JSON value, or a line too long."""
    try:
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(INTERNAL_ERROR, f"not a JSON value: {error}") from None
    if len(text) >= CONTROL_LINE_BYTES_MAX:
        raise ProtocolError(INTERNAL_ERROR, f"{len(text)} bytes are more than a line holds")
    return text.encode("ascii") + b"\n"


def decode(line: bytes | bytearray) -> Any:
    """The JSON value of one line. Raises `ProtocolError` (parse error) for everything else, whatever it is.

    Refused on purpose: numbers that are none or infinite, and an object that names a member twice.
    """
    try:
        return _decoder.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProtocolError(PARSE_ERROR, f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ProtocolError(PARSE_ERROR, "nested too deep") from None
    except ValueError as error:
        raise ProtocolError(PARSE_ERROR, f"not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise ValueError("a number beyond what a double holds")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_object)


def request(id_: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A call that wants an answer."""
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": dict(params)}


def result(id_: object, value: object) -> dict[str, Any]:
    """The answer to a call that went well."""
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def failure(id_: object, code: int, message: str, data: object = None) -> dict[str, Any]:
    """The answer to a call that did not; `id_` is None when the call's own id could not be read."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": id_, "error": error}


def application_failure(id_: object, error: AslError) -> dict[str, Any]:
    """The answer that carries `error` to the client (`remote_error` makes it an exception again)."""
    return failure(id_, APPLICATION_ERROR, str(error), error_data(error))


def error_data(error: AslError) -> dict[str, Any]:
    """`error` as data for a client."""
    data: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "exit_code": getattr(error, "exit_code", 1),
    }
    rule = getattr(error, "rule", "")
    if rule:
        data["rule"] = rule
    return data


def remote_error(error: object, method: str) -> RemoteError:
    """What a client raises for the `error` member of an answer to `method`."""
    members = error if isinstance(error, dict) else {}
    code, message, data = members.get("code"), str(members.get("message", "")), members.get("data")
    data = data if isinstance(data, dict) else {}
    if code == APPLICATION_ERROR:
        exit_code = data.get("exit_code")
        return RemoteError(
            str(data.get("message", message)),
            remedy=str(data.get("remedy", "")),
            code=str(data.get("code", "user")),
            exit_code=exit_code if type(exit_code) is int and 1 <= exit_code <= 125 else 1,
            data=data,
        )
    if code == METHOD_NOT_FOUND:
        return RemoteError(
            f"the daemon does not know {method}",
            remedy="it is of another version: stop it and start it again with `asl up`",
            code="unknown-method",
        )
    if code == INVALID_PARAMS:
        return RemoteError(f"{method}: {message}", code="usage", exit_code=2, data=data)
    return RemoteError(
        f"the daemon failed at {method}: {message}", remedy="its log says more", code="internal", data=data
    )
