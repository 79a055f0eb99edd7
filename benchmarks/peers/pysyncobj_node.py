"""One PySyncObj node with a control socket: `python -m benchmarks.peers.pysyncobj_node OPTIONS-AS-JSON`.

Lines on the Unix socket: `put SEQUENCE VALUE` (no answer), `watch` (from then on the sequence of every entry
that this node applies), `shows SEQUENCE` (`yes` or `no`, from local state), `leader` (its address or `none`).
"""

from __future__ import annotations

import json
import socket
import sys
import threading

from pysyncobj import SyncObj, SyncObjConf, SyncObjConsumer, replicated


class Entries(SyncObjConsumer):  # type: ignore[misc]
    """A replicated dictionary that tells watchers what it applies."""

    def __init__(self) -> None:
        # What is assigned before the base class is local; what comes after it is dumped and restored.
        self.watchers: list[socket.socket] = []
        super().__init__()
        self.entries: dict[int, str] = {}

    @replicated  # type: ignore[untyped-decorator]
    def put(self, sequence: int, value: str) -> None:
        self.entries[sequence] = value
        for watcher in self.watchers:
            watcher.sendall(b"%d\n" % sequence)


def _serve(connection: socket.socket, node: SyncObj, replica: Entries) -> None:
    for line in connection.makefile("r"):
        word, *rest = line.split()
        if word == "put":
            replica.put(int(rest[0]), rest[1])
        elif word == "watch":
            # Answered first: from here on only the applying thread writes to it.
            connection.sendall(b"watching\n")
            replica.watchers.append(connection)
        elif word == "shows":
            connection.sendall(b"yes\n" if int(rest[0]) in replica.entries else b"no\n")
        elif word == "leader":
            leader = node._getLeader()
            connection.sendall(f"{leader.address if leader else 'none'}\n".encode())


def main() -> None:
    """Runs the node until it is killed."""
    options = json.loads(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(options["socket"])
    replica = Entries()
    conf = SyncObjConf(journalFile=options["journal"], fullDumpFile=options["dump"], **options["conf"])
    node = SyncObj(options["own"], options["others"], conf, consumers=[replica])
    listener.listen()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, node, replica), daemon=True).start()


if __name__ == "__main__":
    main()
