"""What the independent verifier says to every published vector, file by file.

The modules that answer are an argument: the tests ask the ones that are here, and the mutants ask copies with
one line changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

HERE = Path(__file__).parents[1] / "vectors"
MODULES = ("encoding", "records", "verifier", "choice", "proofs", "bundles")
"""Each imports only from those before it."""


class Reading(NamedTuple):
    """The modules of one verifier."""

    encoding: ModuleType
    records: ModuleType
    verifier: ModuleType
    choice: ModuleType
    proofs: ModuleType
    bundles: ModuleType


class Question(NamedTuple):
    """A vector: `ask` gives what the verifier says, which should be what is `published`."""

    name: str
    published: Any
    ask: Callable[[], Any]

    def is_answered(self) -> bool:
        return bool(self.ask() == self.published)


def independent() -> Reading:
    """The verifier that is in this folder."""
    return Reading(*(import_module(f"tests.independent_verifier.{name}") for name in MODULES))


@cache
def load(file: str) -> Any:
    return json.loads((HERE / file).read_text(encoding="utf-8"))


def hexed(raw: str) -> bytes:
    return bytes.fromhex(raw)


def bytes_of(vector: Any, name: str) -> bytes:
    """The bytes that a vector holds under `name`, or in pieces."""
    if name in vector:
        return hexed(vector[name])
    return b"".join(hexed(piece) * times for piece, times in vector["made_of"])


def rule_of(reading: Reading, act: Callable[..., Any], *arguments: Any) -> Any:
    """What `act` gives, or the rule that refuses it; a crash is an answer that nobody publishes."""
    try:
        return act(*arguments)
    except reading.encoding.Refused as refused:
        return {"rule": refused.rule}
    except reading.verifier.Incomplete:
        return "incomplete"
    except Exception as crash:
        return f"a crash: {crash!r}"


def plain(value: Any) -> Any:
    """A value as canonical.json shows it."""
    if isinstance(value, dict):
        return hexed(value["bytes"]) if "bytes" in value else int(value["int"])
    return [plain(item) for item in value] if isinstance(value, list) else value


def typed(value: Any) -> Any:
    """So that true is not 1."""
    return [typed(item) for item in value] if isinstance(value, list) else (type(value).__name__, value)


def canonical(reading: Reading) -> Iterator[Question]:
    vectors = load("canonical.json")

    def decoded(vector: Any) -> Any:
        return rule_of(reading, lambda: typed(reading.encoding.decode(hexed(vector["hex"]), 4096)))

    for vector in vectors["valid"]:
        yield Question(vector["hex"][:24], typed(plain(vector["value"])), partial(decoded, vector))
    for vector in vectors["invalid"]:
        yield Question(vector["name"], {"rule": vector["rule"]}, partial(decoded, vector))


def artifacts(reading: Reading) -> Iterator[Question]:
    vectors = load("artifacts.json")

    def read(vector: Any) -> Any:
        found = reading.records.read(hexed(vector["artifact"]))
        found.verify()
        return found.id.hex(), found.key.hex(), found.message.hex()

    for vector in vectors["valid"]:
        published = (vector["id"], vector["key"], vector["pae"])
        yield Question(vector["name"], published, partial(rule_of, reading, read, vector))
    for vector in vectors["invalid"]:
        ask = partial(rule_of, reading, read, vector)
        yield Question(vector["name"], {"rule": vector["rule"]}, ask)


def bounds(reading: Reading) -> Iterator[Question]:
    vectors = load("bounds.json")

    def read(vector: Any) -> Any:
        reading.records.read(hexed(vector["artifact"])).verify()
        return "good"

    def one_of(vector: Any) -> Any:
        said = rule_of(reading, read, vector)
        return vector["rules"] if isinstance(said, dict) and said["rule"] in vector["rules"] else said

    for vector in vectors["valid"]:
        yield Question(vector["name"], "good", partial(rule_of, reading, read, vector))
    for vector in vectors["invalid"]:
        yield Question(vector["name"], {"rule": vector["rule"]}, partial(rule_of, reading, read, vector))
    for vector in vectors["either"]:
        yield Question(vector["name"], vector["rules"], partial(one_of, vector))


def merkle(reading: Reading) -> Iterator[Question]:
    vectors = load("merkle.json")
    leaves = [hexed(leaf) for leaf in vectors["leaves"]]

    def root(vector: Any) -> Any:
        return reading.encoding.root(leaves[: vector["size"]]).hex()

    for vector in vectors["roots"]:
        ask = partial(rule_of, reading, root, vector)
        yield Question(f"root of {vector['size']}", vector["root"], ask)
    for number, vector in enumerate(vectors["proofs"]):
        path = [hexed(node) for node in vector["path"]]
        place = (hexed(vector["leaf"]), vector["index"], vector["size"], path, hexed(vector["root"]))
        ask = partial(rule_of, reading, reading.encoding.included, *place)
        yield Question(f"proof {number}", vector["valid"], ask)


def content(reading: Reading) -> Iterator[Question]:
    vectors = load("content.json")

    def chunks(vector: Any) -> Any:
        found = reading.encoding.manifest(bytes_of(vector, "hex"), vector["size"])
        return [one.hex() for one in found]

    for number, vector in enumerate(vectors["manifests"]):
        ask = partial(rule_of, reading, chunks, vector)
        yield Question(f"manifest {number}", vector["chunks"], ask)
    largest = vectors["largest"]
    every = [largest["chunk"]] * largest["count"]
    yield Question("the largest", every, partial(rule_of, reading, chunks, largest))
    for vector in vectors["invalid"]:
        ask = partial(rule_of, reading, chunks, vector)
        yield Question(vector["name"], {"rule": vector["rule"]}, ask)


INVITE = ("common_id", "name", "network_secret", "token", "hints", "floor")


def invites(reading: Reading) -> Iterator[Question]:
    vectors = load("invites.json")

    def shown(value: Any) -> Any:
        """As in JSON: records are arrays there, but for the invite itself."""
        if isinstance(value, dict):
            return [shown(item) for item in value.values()]
        if isinstance(value, list):
            return [shown(item) for item in value]
        return value.hex() if isinstance(value, bytes) else value

    def parsed(text: str) -> Any:
        try:
            return shown(reading.records.invite(text))
        except ValueError:
            return "no invite"

    def borne(vector: Any) -> Any:
        return rule_of(
            reading, lambda: reading.records.borne(hexed(vector["shown"]), hexed(vector["key"])).kind
        )

    for vector in vectors["valid"]:
        yield Question(
            vector["text"][:12], [vector[name] for name in INVITE], partial(parsed, vector["text"])
        )
    first = [vectors["valid"][0][name] for name in INVITE]
    for number, text in enumerate(vectors["same"]):
        yield Question(f"same {number}", first, partial(parsed, text))
    for number, text in enumerate(vectors["invalid"]):
        yield Question(f"invalid {number}", "no invite", partial(parsed, text))
    for vector in vectors["not_invites"]:
        yield Question(vector["name"], "no invite", partial(parsed, vector["text"]))
    for number, vector in enumerate(vectors["tokens"]):
        yield Question(f"token {number}", "invite", partial(borne, vector))
    for vector in vectors["not_shown"]:
        yield Question(vector["name"], {"rule": vector["rule"]}, partial(borne, vector))


def histories(reading: Reading) -> Iterator[Question]:
    def judged(vector: Any) -> Any:
        common = reading.verifier.Common(hexed(vector["genesis"]))
        for entry in vector["history"]:
            try:
                take(common, entry)
            except (reading.encoding.Refused, reading.verifier.Incomplete) as refused:
                return f"its history is refused: {refused!r}"
        after = take(common, vector["candidate"])
        return {
            "epoch": after.appoints[0],
            "witness": after.appoints[1].hex(),
            "policies": [one.id.hex() for one in after.installed],
            "members": {key.hex(): list(after.members[key]) for key in sorted(after.members)},
            "contents": sorted(content.hex() for content in after.files.values()),
        }

    def take(common: Any, entry: Any) -> Any:
        return common.accept(hexed(entry["snapshot"]), [hexed(raw) for raw in entry["proposals"]])

    for vector in load("histories.json")["vectors"]:
        ask = partial(rule_of, reading, judged, vector)
        published = vector["then"] if vector["expect"] == "accepted" else vector["expect"]
        yield Question(vector["name"], published, ask)


def branches(reading: Reading) -> Iterator[Question]:
    def told(follower: Any, one: Any) -> None:
        if "snapshot" in one:
            follower.hear_snapshot(hexed(one["snapshot"]), [hexed(raw) for raw in one["proposals"]])
            return
        rule = None
        try:
            follower.hear_cosignature(hexed(one["cosignature"]))
        except reading.encoding.Refused as refused:
            rule = refused.rule
        assert rule == one.get("rule"), "a cosignature counts or does not"

    def followed(vector: Any, order: list[int]) -> Any:
        own, given = (None if vector[one] is None else hexed(vector[one]) for one in ("own", "given"))
        follower = reading.choice.Follower(hexed(vector["genesis"]), own, given)
        for place in order:
            told(follower, vector["artifacts"][place])
        return {
            "head": follower.head.id.hex(),
            "floor": follower.floor.id.hex(),
            "final": follower.final().id.hex(),
            "conflict": [id_.hex() for id_ in follower.conflict()],
            "evidence": sorted([id_.hex() for id_ in ids] for _, ids in follower.evidence().values()),
            "superseded": [id_.hex() for id_ in follower.superseded()],
            "pending": None if own else [id_.hex() for id_ in follower.pending()],
        }

    for vector in load("branches.json")["vectors"]:
        for order in vector["orders"]:
            ask = partial(rule_of, reading, followed, vector, order)
            yield Question(vector["name"], vector["expect"], ask)


def proofs(reading: Reading) -> Iterator[Question]:
    vectors = load("proofs.json")
    common_id = hexed(vectors["common_id"])

    def says(vector: Any) -> Any:
        found = reading.proofs.Proof(bytes_of(vector, "proof"), common_id)
        return {
            "path": found.put["path"],
            "content": found.put["content"].hex(),
            "top": found.top,
            "snapshot": found.after[found.top].id.hex(),
            "cosigned_by": sorted(key.hex() for key in found.cosigned_by),
        }

    for vector in vectors["valid"]:
        ask = partial(rule_of, reading, says, vector)
        published = {key: value for key, value in vector["says"].items() if key != "author"}
        yield Question(vector["name"], published, ask)
    for vector in vectors["invalid"]:
        ask = partial(rule_of, reading, says, vector)
        yield Question(vector["name"], {"rule": vector["rule"]}, ask)


def bundles(reading: Reading) -> Iterator[Question]:
    vectors = load("bundles.json")

    def holds(vector: Any) -> Any:
        found = reading.bundles.Bundle(hexed(vector["bundle"]))
        tip = found.tip()
        return {
            "common_id": found.common_id.hex(),
            "floor": None if found.floor == (0, found.common_id) else [found.floor[0], found.floor[1].hex()],
            "artifacts": [id_.hex() for id_ in found.artifacts],
            "contents": [id_.hex() for id_ in found.contents],
            "head": None if tip is None else tip.id.hex(),
        }

    for vector in vectors["valid"]:
        ask = partial(rule_of, reading, holds, vector)
        published = {key: vector[key] for key in ("common_id", "floor", "artifacts", "contents", "head")}
        yield Question(vector["name"], published, ask)
    for vector in vectors["invalid"]:
        ask = partial(rule_of, reading, holds, vector)
        yield Question(vector["name"], {"rule": vector["rule"]}, ask)


FILES: dict[str, Callable[[Reading], Iterator[Question]]] = {
    "canonical.json": canonical,
    "artifacts.json": artifacts,
    "bounds.json": bounds,
    "merkle.json": merkle,
    "content.json": content,
    "invites.json": invites,
    "histories.json": histories,
    "branches.json": branches,
    "proofs.json": proofs,
    "bundles.json": bundles,
}
