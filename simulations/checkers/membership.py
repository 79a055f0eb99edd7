"""Members, names, invites and erased contents, judged by section 3 of `docs/spec.md` alone.

`Members` belongs to one line, which is walked once, so it is changed in place. `Broken` names the rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from simulations.checkers.artifacts import Artifact, Unreadable, action_of, holds, pae, read, verifies

PLACES, PLACES_OF_AUTHORITIES, PLACES_OF_MEMBERS, GUESTS_MAX, ERASABLE_MIN = 2048, 1920, 1024, 64, 64
ADMITTED, EXPELLED, REVOKED = "admitted", "expelled", "revoked"


class Broken(Exception):
    """A rule that does not hold."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


def require(held: bool, rule: str, text: str) -> None:
    if not held:
        raise Broken(rule, text)


def may_be_called(name: str, key: bytes) -> bool:
    """A name that ends in 16 digits of a key is that key's."""
    found = re.search("-([0-9a-f]{16})\\Z", name)
    return found is None or found[1] == key.hex()[:16]


@dataclass
class Members:
    """Who is or was a member, and what was said of them."""

    of: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    """Key to (name, status)."""
    named: set[bytes] = field(default_factory=set)
    forgotten: set[bytes] = field(default_factory=set)
    reserved: set[str] = field(default_factory=set)
    uses: Counter[bytes] = field(default_factory=Counter)
    guests: Counter[bytes] = field(default_factory=Counter)
    ended: set[tuple[bytes, bytes]] = field(default_factory=set)
    """Invites that were revoked, with the key by which; empty for an authority."""

    def status(self, key: bytes) -> str:
        return self.of[key][1] if key in self.of else ""

    def usable(self, key: bytes) -> bool:
        return self.status(key) == ADMITTED

    def revoked(self) -> frozenset[bytes]:
        return frozenset(key for key, (_, status) in self.of.items() if status == REVOKED)

    def _call(self, key: bytes, name: str) -> None:
        self.of[key] = name, ADMITTED
        self.reserved.discard(name)
        self.forgotten.discard(key)

    def appoint(self, key: bytes, label: str) -> None:
        """A quorum makes `key` the witness or an authority."""
        if self.status(key) in ("", EXPELLED):
            name = self.of[key][0] if key in self.of else label
            taken = any(one == (name, ADMITTED) for one in self.of.values())
            if taken or not may_be_called(name, key):
                name = name.encode()[:47].decode(errors="ignore") + f"-{key.hex()[:16]}"
            self._call(key, name)
        self.named.add(key)

    def require_name(self, name: str, key: bytes, *, by_authority: bool) -> None:
        require(may_be_called(name, key), "V7", "a name that is made of another key")
        require(by_authority or name not in self.reserved, "V7", "the name of somebody who is forgotten")
        taken = any(one == (name, ADMITTED) for other, one in self.of.items() if other != key)
        require(not taken, "V7", "a name that is taken")

    def admit(self, artifact: Artifact, authorities: Collection[bytes], *, closed: bool) -> None:
        _, key, name, token = action_of(artifact)
        invite = None if token is None else _invite(token, key, artifact.body[0])
        require(not self.usable(key), "V7", "admitted twice")
        rests_on = artifact.key if invite is None else invite.key
        require(self.usable(rests_on), "V7", "its inviter is no member")
        on_authority, by_authority = rests_on in authorities, artifact.key in authorities
        require(on_authority or not closed, "P6", "admitted by who may not")
        barred = self.status(key) == EXPELLED or key in self.forgotten
        require(by_authority or not barred, "P6", "an expelled key let in by no authority")
        require(self.status(key) != REVOKED, "V8", "a revoked key let in")
        if invite is not None:
            revoked = {(invite.id, b""), (invite.id, invite.key)} & self.ended
            require(not revoked, "V7", "a revoked invite")
            require(self.uses[invite.id] < invite.body[2], "V7", "a spent invite")
        places = PLACES_OF_AUTHORITIES if on_authority else PLACES_OF_MEMBERS
        require(key in self.of or len(self.of) < places, "A4", "no place is left for it")
        require(on_authority or self.guests[rests_on] < GUESTS_MAX, "A4", "one member let in too many")
        self.require_name(name, key, by_authority=by_authority)
        self._call(key, name)
        if invite is not None:
            self.uses[invite.id] += 1
            self.named.add(invite.key)
        if not on_authority:
            self.guests[rests_on] += 1

    def expel(
        self, key: bytes, author: bytes, authorities: Collection[bytes], bound: Collection[bytes]
    ) -> None:
        """`bound` are the witness and whoever the same snapshot appoints."""
        require(author == key or author in authorities, "P6", "expelled by who may not")
        require(key not in authorities and key not in bound, "P6", "the witness or an authority expelled")
        require(self.usable(key), "P6", "expelled twice")
        self.of[key] = self.of[key][0], EXPELLED

    def forget(self, key: bytes, author: bytes, authorities: Collection[bytes]) -> None:
        require(author in authorities and self.status(key) == EXPELLED, "P6", "forgotten by who may not")
        require(key not in self.named, "V7", "a key that the history names is forgotten")
        name, _ = self.of.pop(key)
        self.forgotten.add(key)
        if (name, ADMITTED) not in self.of.values():
            self.reserved.add(name)

    def rename(self, key: bytes, name: str, author: bytes, authorities: Collection[bytes]) -> None:
        by_authority = author in authorities
        require(author == key or by_authority, "P6", "renamed by who may not")
        require(self.usable(key), "P6", "no member is renamed")
        self.require_name(name, key, by_authority=by_authority)
        self._call(key, name)

    def end_invite(self, invite: bytes, author: bytes, authorities: Collection[bytes]) -> None:
        by = b"" if author in authorities else author
        require(not {(invite, b""), (invite, author)} & self.ended, "V7", "an invite is revoked twice")
        self.ended.add((invite, by))


def _invite(token: list[bytes], key: bytes, common_id: bytes) -> Artifact:
    try:
        invite = read(token[0])
    except Unreadable as error:
        raise Broken("A3", str(error)) from None
    require(invite.type == "asl.common.invite/1", "A3", "a token that is no invite")
    require(verifies(invite), "A5", "an invite that nobody signed")
    message = pae("asl.bearer/1", invite.id + key)
    require(holds(invite.body[3], message, token[1]), "A5", "a token of another bearer")
    require(invite.body[0] == common_id, "V7", "an invite to another Common")
    return invite


@dataclass
class Contents:
    """Who put which content, and what was erased."""

    sizes: dict[bytes, int] = field(default_factory=dict)
    authors: dict[bytes, set[bytes]] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)

    def put(self, content: bytes, size: int, author: bytes) -> None:
        self.sizes[content] = max(size, self.sizes.get(content, 0))
        self.authors.setdefault(content, set()).add(author)
        self.erased.discard(content)

    def erase(self, content: bytes, by: bytes | None, there: Collection[bytes]) -> None:
        """`by` its author alone, or None with a certificate; `there` is what the tree holds."""
        require(content in self.sizes, "V7", "a content is erased that nobody put")
        require(self.sizes[content] >= ERASABLE_MIN, "V7", "a content is erased that anybody has")
        require(content not in there, "V7", "a content is erased that a path holds")
        require(content not in self.erased, "V7", "a content is erased twice")
        require(by is None or self.authors[content] == {by}, "V7", "a content of others is erased")
        self.erased.add(content)
