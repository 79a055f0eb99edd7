"""Every error, sorted by whose fault it is.

* ours (`InvariantBroken`): stop before anything is signed;
* a peer's (`PeerFault`): drop that peer, change nothing;
* the user's (`UserError`): say what happened and what to type next;
* the disk's (`DiskFault`): go read-only, say so, try again.

`code` is a stable dotted name for scripts, the control socket and `docs/spec.md`.
"""

from __future__ import annotations


class AslError(Exception):
    """Base of every error that aslp2p raises on purpose.

    `message` says what happened in one line; `remedy`, where there is one, says what to do next.
    """

    code = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class InvariantBroken(AslError):
    """Something that cannot be true is true: a bug of ours. Nothing may be signed after it."""

    code = "invariant"


class PeerFault(AslError):
    """A peer sent what no honest peer sends; it is dropped and backed off (G5).

    `newer`: or it speaks of what only a later version knows. Then it is nobody's fault: the link ends without
    blame, and this machine is to be updated (A4).
    """

    code = "peer"
    newer = False


UPDATE = "update this machine"
"""What a person does about what only a later version knows."""


class ArtifactError(PeerFault):
    """Bytes that are no artifact. `rule` is the rule of `docs/spec.md` that they break (A2 to A5)."""

    code = "artifact"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class NewerArtifact(ArtifactError):
    """An artifact of a type, or a proposal of an action, that only a later version knows (A4)."""

    code = "artifact.newer"
    newer = True

    def __init__(self, what: str) -> None:
        super().__init__("A4", f"{what} is unknown to this version; {UPDATE}")


class NewerPeer(PeerFault):
    """A peer whose messages only a later version understands (A4)."""

    code = "peer.newer"
    newer = True

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is unknown to this version; {UPDATE}")


class Rejected(PeerFault):
    """A well-formed artifact that the ledger does not accept. Nothing has changed (V9).

    `rule` names the first rule that fails (P1…P6, V1…V8); `subject` and `against` are the ids of the
    artifact judged and of what it was judged against (its parent, a policy), where there is one.
    """

    code = "rejected"

    def __init__(
        self, rule: str, message: str, *, subject: bytes | None = None, against: bytes | None = None
    ) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule
        self.reason = message
        self.subject = subject
        self.against = against


class NewerProtocol(Rejected):
    """A policy of a protocol that only a later version speaks (A4).

    `decided`: a quorum has put it in force, so that the history goes on where this version cannot follow.
    """

    code = "rejected.newer"
    newer = True

    def __init__(self, protocol: int, *, decided: bool = False, subject: bytes | None = None) -> None:
        super().__init__("A4", f"protocol {protocol} is unknown to this version; {UPDATE}", subject=subject)
        self.protocol = protocol
        self.decided = decided


class Incomplete(AslError):
    """A predecessor or a listed artifact is not here yet: neither valid nor invalid (V9).

    `missing` holds the ids to ask for.
    """

    code = "incomplete"

    def __init__(self, message: str, missing: tuple[bytes, ...]) -> None:
        super().__init__(message)
        self.missing = missing


class LinkError(PeerFault):
    """A handshake or a frame that fails; the link is closed and nothing from it was delivered."""

    code = "link"


class UserError(AslError):
    """The user asked for what cannot be done; `exit_code` is what `asl` ends with (1 or 2, 3, 4)."""

    code = "user"
    exit_code = 1


class UsageError(UserError):
    """Wrong flags, names, files or policy: nothing was tried."""

    code = "usage"
    exit_code = 2


class NoDaemon(UserError):
    """The command needs a running daemon and there is none."""

    code = "no-daemon"
    exit_code = 3


class NeedsAttention(UserError):
    """The node works, but a person has to decide something first."""

    code = "attention"
    exit_code = 4


class DiskFault(AslError):
    """The disk refused (full, failing, read-only). Nothing was acknowledged; the node goes read-only."""

    code = "disk"


class Damaged(DiskFault):
    """Stored bytes are not the bytes that were written. `ids` name what to fetch again from a peer."""

    code = "damaged"

    def __init__(self, message: str, ids: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.ids = ids


class SelfLink(LinkError):
    """The other end of a link proved our own domain key: nobody to blame.

    `same_process` is true when it is this very process (one dialled its own address), false when another
    node holds a copy of the key: then neither may sign any more (S11). `answer` is to be sent before the
    connection is closed: a responder's own proof, so that the other end learns it too.
    """

    code = "link.self"

    def __init__(self, *, same_process: bool, answer: bytes = b"") -> None:
        super().__init__("a link to ourselves" if same_process else "another node links with our own key")
        self.same_process = same_process
        self.answer = answer


class JournalDamaged(DiskFault):
    """The signing journal is not what was written: this key may never promise again (S11)."""

    code = "disk.journal"


class NodeStopped(UserError):
    """One Common of a running daemon met a bug of ours: it answers questions and signs nothing any more."""

    code = "stopped"
    exit_code = 4
