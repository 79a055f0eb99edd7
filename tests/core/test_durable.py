"""Which steps must be on disk before anything of them leaves: those with a promise, a head."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from aslp2p.artifacts.types import Admit, Named, Policy
from aslp2p.core.beacons import META_BEACON
from aslp2p.core.effects import Publish, Step
from aslp2p.core.inputs import Input, MarkStale, Now, Propose
from aslp2p.core.node import NodeCore
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.reader import PutJournal, PutMeta, Write
from simulations.disk import Disk
from simulations.world import World


def _must_last(write: Write) -> bool:
    if isinstance(write, PutMeta):
        return write.key in (META_BEACON, META_STALE)
    return isinstance(write, PutJournal)


@pytest.fixture
def lazy_writes(monkeypatch: pytest.MonkeyPatch) -> list[Write]:
    """Checks every step of every node; holds the writes of those that need not last."""
    written: list[Write] = []
    lazy: list[Write] = []
    apply, step = Disk.apply, NodeCore.step

    def noted(self: Disk, writes: Iterable[Write]) -> None:
        writes = list(writes)
        written.extend(writes)
        apply(self, writes)

    def judged(self: NodeCore, input_: Input, now: Now) -> Step:
        written.clear()
        taken = step(self, input_, now)
        heads = any(isinstance(effect, Publish) and effect.topic == "head" for effect in taken.effects)
        if heads or any(map(_must_last, written)):
            assert taken.durable, (input_, written)
        if not taken.durable:
            lazy.extend(written)
        return taken

    monkeypatch.setattr(Disk, "apply", noted)
    monkeypatch.setattr(NodeCore, "step", judged)
    return lazy


def test_promises_and_heads_are_durable_and_gossip_is_not(lazy_writes: list[Write]) -> None:
    """S1, S4, S10, S12: through proposals, cosignatures, beacons, a kill, a recovery and a return."""
    made = World(7)
    names = ("you", "alice", "james")
    for name in names:
        made.add_node(name).options["auto"] = True
    policy = Policy(
        witnesses=tuple(Named(name, made.nodes[name].key) for name in names),
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=5_000,
        participants="invited",
        protocol=1,
    )
    made.found("you", names, policy)
    for name in names:
        made.start(name)
    made.mesh()
    made.run(2_000)
    made.command("alice", Propose(Admit(bytes([9] * 32), "zoe", None)))
    made.run(2_000)
    made.crash("you")
    made.run(15_000)
    made.start("you")
    made.mesh()
    made.run(5_000)
    made.inform("james", MarkStale("restored"))
    heads = set(made.heads().values())
    assert len(heads) == 1 and heads.pop()[0] >= 2
    assert lazy_writes, "a proposal on its way waits for company"
