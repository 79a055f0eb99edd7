"""A blocking client of the control socket.

One connection, calls on it one by one (`call`) or a window of them (`call_many`); every subscription has a
connection of its own, so events never mix with answers. Answers are matched by id: what comes late, after its
caller gave up, is dropped. Not for use by several threads at once.
"""

from __future__ import annotations

import socket
from collections import deque
from time import monotonic, sleep

from aslp2p.control import protocol
from aslp2p.control.path import socket_path
from aslp2p.errors import NoDaemon, UserError
from aslp2p.limits import CONTROL_CALLS_MAX, CONTROL_LINE_BYTES_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Self

TIMEOUT_S = 30.0
_READ_BYTES = 64 * 1024
_BUSY_WAIT_S = 0.02
_LOOK_S = 0.2


class NoAnswer(UserError):
    """The daemon is there and did not answer in time. What was asked may still happen."""

    code = "no-answer"


class File(int):
    """A descriptor, as a parameter: the open file is handed over with the call, which reads it from where it
    stands. It stays open here."""


class _Lines:
    """A connected socket as lines out and lines in, each under a deadline."""

    def __init__(self, path: str, home: str, deadline: float | None) -> None:
        self._home = home
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(path, deadline)
        except BaseException:
            self._socket.close()
            raise
        self._buffer = bytearray()
        self._searched = 0

    def _connect(self, path: str, deadline: float | None) -> None:
        while True:
            self._wait_at_most(deadline)
            try:
                return self._socket.connect(path)
            except BlockingIOError:  # the backlog is full: the daemon is there and busy
                self._wait_at_most(deadline)
                sleep(_BUSY_WAIT_S)
            except TimeoutError:
                raise self._no_answer() from None
            except PermissionError:
                raise UserError(
                    f"the daemon of {self._home} runs as another user", remedy="run this as that user"
                ) from None
            except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):  # refused: a stale socket
                raise NoDaemon(
                    f"no daemon is running for {self._home}", remedy="start it with `asl up`"
                ) from None
            except OSError as error:  # among them: a path that no socket can have
                raise NoDaemon(
                    f"no daemon can be reached for {self._home} ({error.strerror or error})",
                    remedy="start it with `asl up`",
                ) from None

    def send(self, message: object, deadline: float | None, files: Sequence[int] = ()) -> None:
        line = protocol.encode(message)
        self._wait_at_most(deadline)
        try:
            sent = socket.send_fds(self._socket, [line], files) if files else 0
            self._socket.sendall(line[sent:])
        except TimeoutError:
            self.close()  # half a line may be out: nothing more fits behind it
            raise self._no_answer() from None
        except OSError:
            # The daemon may have said why before it closed; the next read finds that, or the end.
            return

    def receive(self, deadline: float | None) -> dict[str, Any]:
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched >= CONTROL_LINE_BYTES_MAX:
                raise self._garbled("a line without an end")
            self._wait_at_most(deadline)
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                raise self._no_answer() from None
            except OSError:
                data = b""
            if not data:
                raise NoDaemon(
                    f"the daemon of {self._home} closed the connection; what was asked may have happened",
                    remedy="see its log, and start it with `asl up` if it has stopped",
                )
            self._buffer += data
        line = self._buffer[:end]
        del self._buffer[: end + 1]
        self._searched = 0
        try:
            message = protocol.decode(line)
        except protocol.ProtocolError as error:
            raise self._garbled(error.message) from None
        if not isinstance(message, dict):
            raise self._garbled("not an object")
        return message

    def close(self) -> None:
        self._socket.close()

    def _wait_at_most(self, deadline: float | None) -> None:
        if deadline is None:
            self._socket.settimeout(None)
            return
        left = deadline - monotonic()
        if left <= 0:
            raise self._no_answer()
        self._socket.settimeout(left)

    def _no_answer(self) -> NoAnswer:
        return NoAnswer(
            f"the daemon of {self._home} did not answer in time; what was asked may still happen",
            remedy="see its log, or stop it and start it again with `asl up`",
        )

    def _garbled(self, what: str) -> UserError:
        self.close()
        return UserError(
            f"what answers for {self._home} is no aslp2p daemon ({what})", remedy="stop it and start `asl up`"
        )


def _deadline(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else monotonic() + timeout_s


class Client:
    """A connection to the daemon that listens at `path`; `home` is what errors call it.

    `timeout_s` bounds connecting and each call, in seconds (None: for ever). Raises `NoDaemon` when nothing
    listens there (no socket, or a stale one), `NoAnswer` on time-out, `UserError` when it is another user's.
    """

    def __init__(self, path: str, *, home: str = "", timeout_s: float | None = TIMEOUT_S) -> None:
        self._path = path
        self._home = home or path
        self._timeout_s = timeout_s
        self._lines = _Lines(path, self._home, _deadline(timeout_s))
        self._last_id = self._handed = 0
        self._answers: dict[int, dict[str, Any] | None] = {}  # by id; None: waited for

    @classmethod
    def of_home(cls, home: str, *, timeout_s: float | None = TIMEOUT_S) -> Self:
        """The client of the daemon that runs for the folder `home`."""
        return cls(socket_path(home), home=home, timeout_s=timeout_s)

    def call(self, method: str, /, **params: Any) -> Any:
        """The result of `method`.

        Raises `RemoteError` when the daemon refuses, `NoDaemon` when it goes away, `NoAnswer` on time-out.
        """
        deadline = _deadline(self._timeout_s)
        id_ = self._send(method, params, deadline)
        try:
            return self._take(id_, method, deadline)
        finally:
            self._answers.pop(id_, None)

    def call_long(self, look: Callable[[], object], method: str, /, **params: Any) -> Any:
        """As `call`, for what takes as long as it takes: only a daemon that answers nothing else either is
        given up. `look` is called a few times a second meanwhile."""
        deadline = _deadline(self._timeout_s)
        id_ = self._send(method, params, deadline)
        try:
            while True:
                try:
                    return self._take(id_, method, _deadline(_LOOK_S))
                except NoAnswer:
                    look()
                    if deadline is not None and monotonic() > deadline:
                        self.call("version")
                        deadline = _deadline(self._timeout_s)
        finally:
            self._answers.pop(id_, None)

    def call_many(
        self, calls: Iterable[tuple[str, Mapping[str, Any]]], *, in_flight: int = CONTROL_CALLS_MAX
    ) -> Iterator[Any]:
        """The results of `calls` (method, params), in their order; up to `in_flight` are under way at once.

        A call that the daemon refuses gives its `RemoteError` as a value in its place, so that one bad call
        does not hide the others. The time-out holds for each. `calls` is consumed as the window moves.
        """
        # Above the server's own bound both ends could block, each waiting for the other to read.
        window = max(1, min(in_flight, CONTROL_CALLS_MAX))
        waiting: deque[tuple[int, str]] = deque()
        try:
            for method, params in calls:
                if len(waiting) >= window:
                    yield self._oldest(waiting)
                waiting.append((self._send(method, params, _deadline(self._timeout_s)), method))
            while waiting:
                yield self._oldest(waiting)
        finally:
            for id_, _ in waiting:
                self._answers.pop(id_, None)

    def subscribe(self, topics: Iterable[str], *, timeout_s: float | None = None) -> Subscription:
        """Events of `topics` from now on (`"*"`: all), on a connection of their own.

        The subscription holds when this returns: what happens afterwards is in it. `timeout_s` bounds the
        wait for each event (None: for ever). Raises as `call` does.
        """
        return Subscription(self._path, self._home, tuple(topics), self._timeout_s, timeout_s)

    def close(self) -> None:
        """Ends the connection; closing twice is fine."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, params: Mapping[str, Any], deadline: float | None) -> int:
        self._last_id += 1
        files = [value for value in params.values() if isinstance(value, File)]
        if files:  # numbered as they are handed over, from 0
            numbers = iter(range(self._handed, self._handed + len(files)))
            params = {
                name: next(numbers) if isinstance(value, File) else value for name, value in params.items()
            }
            self._handed += len(files)
        try:
            self._lines.send(protocol.request(self._last_id, method, params), deadline, files)
        except protocol.ProtocolError as error:
            raise UserError(f"{method}: {error.message}") from None
        self._answers[self._last_id] = None
        return self._last_id

    def _oldest(self, waiting: deque[tuple[int, str]]) -> Any:
        id_, method = waiting[0]
        try:
            return self._take(id_, method, _deadline(self._timeout_s))
        except protocol.RemoteError as error:
            return error
        finally:
            waiting.popleft()
            self._answers.pop(id_, None)

    def _take(self, id_: int, method: str, deadline: float | None) -> Any:
        while (answer := self._answers[id_]) is None:
            message = self._lines.receive(deadline)
            about = message.get("id")
            if type(about) is int and about in self._answers:
                self._answers[about] = message
            elif about is None and "error" in message:  # about the connection, or a line it could not read
                raise protocol.remote_error(message["error"], method)
        if "error" in answer:
            raise protocol.remote_error(answer["error"], method)
        return answer.get("result")


class Subscription:
    """An iterator of events, each a dict with at least `topic`. Made by `Client.subscribe`.

    An event `{"topic": "overflow", "lost": n}` stands where n events were dropped because this side read
    too slowly. Iterating raises `NoDaemon` when the daemon stops and `NoAnswer` when no event comes in time;
    after the latter one may go on iterating.
    """

    def __init__(
        self, path: str, home: str, topics: tuple[str, ...], answer_s: float | None, event_s: float | None
    ) -> None:
        self._event_s = event_s
        deadline = _deadline(answer_s)
        self._lines = _Lines(path, home, deadline)
        try:
            self._lines.send(protocol.request(1, "subscribe", {"topics": list(topics)}), deadline)
            answer = self._lines.receive(deadline)
            if "error" in answer:
                raise protocol.remote_error(answer["error"], "subscribe")
        except BaseException:
            self._lines.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        deadline = _deadline(self._event_s)
        while True:
            message = self._lines.receive(deadline)
            params = message.get("params")
            if message.get("method") == "event" and isinstance(params, dict):
                return params

    def close(self) -> None:
        """Ends the subscription; closing twice is fine."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
