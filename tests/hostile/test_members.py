"""A member with bad intentions, and sixty-four keys of its own, among three honest machines (G5, G6).

Real daemons, one rig for all. Whatever the many do, the three find each other again, what they put is
witnessed, and when the many are expelled nothing of them is left to do.
"""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.keys import key_text
from aslp2p.artifacts.token import bear, make_token
from aslp2p.artifacts.types import Put
from aslp2p.control.client import Client
from aslp2p.errors import LinkError
from aslp2p.gossip.messages import AnyMessage, GetContent, GetRange, OpenIds, Refused, Want, decode_message
from aslp2p.home.key import SecretKey
from aslp2p.limits import INVITE_SEED_BYTES, MIB
from tests.hostile.crowd import admit_own, crowd, heights, nothing
from tests.hostile.intruder import Intruder
from tests.lan.machines import PATIENCE_S, Machine, found, require_clean_logs, wait_equal
from tests.lan.rig import Loopback, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processor time is read from /proc")

UP = ("--no-mdns", "--listen", "127.0.0.1")
NAMES = "anna", "ben", "cleo"
LETTER = "letter"
UNSERVED = 4
"""Puts that each of the keys leaves."""
HOLES = 200
"""That one of the keys leaves."""
REFUSALS = 3
"""So often somebody is refused: who still sends when the other side hangs up may lose its last words."""
IDLE_S = 3.0
IDLE_SHARE_MAX = 0.05
"""Of a core, by a daemon that has nothing to do; it was 0.09 to 0.15 where wants never ended."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Town:
    """Three honest machines, the first is the witness; and one bad member that runs no daemon of ours."""

    def __init__(self, folder: Path) -> None:
        self.machines = [Machine(Loopback(), folder, name) for name in NAMES]
        self.anna, self.ben, self.cleo = self.machines
        self.invite = Invite.parse(found(*self.machines, up=UP))
        self.keys = {machine.key for machine in self.machines}
        self.bad = SecretKey.generate()
        self.anna.asl("members", "admit", key_text(self.bad.key), "bad")
        wait_equal(self.machines)
        self.own = admit_own(self.invite, self.bad, self.anna)
        self.require_witnessed(LETTER)

    def require_witnessed(self, path: str) -> None:
        """What cleo puts is in the history in the end."""
        with Client.of_home(str(self.cleo.home)) as client:
            data = base64.b64encode(os.urandom(100)).decode()
            proposal = client.call("put", path=path, data=data)["proposal"]

            def witnessed() -> bool:
                return bool(client.call("settled", ids=[proposal])["settled"][0]["state"] == "witnessed")

            wait_until(witnessed, PATIENCE_S, f"{path} is witnessed")

    def wait_linked(self) -> None:
        def linked() -> bool:
            for machine in self.machines:
                missing = self.keys - machine.links() - {machine.call("status")["daemon"]["key"]}
                assert not missing, f"{machine!r} lacks {missing} of {self.keys}"
            return True

        wait_until(linked, PATIENCE_S, "the honest are linked with each other", every_s=0.2)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with ExitStack() as stack:
        town = Town(tmp_path_factory.mktemp("town"))
        for machine in town.machines:
            stack.callback(machine.host.stop)
        yield town
        assert [machine.stop() for machine in town.machines] == [0] * len(NAMES)
        require_clean_logs(town.machines)


def unserved(intruder: Intruder) -> None:
    """It leaves puts whose content nobody has, and claims a far better history."""
    heights(intruder)
    puts = [
        Put(f"hole/{os.urandom(6).hex()}", os.urandom(32), MIB, "", False, 0, None) for _ in range(UNSERVED)
    ]
    intruder.say(intruder.propose(*puts))


@pytest.mark.long
def test_many_keys_of_one_member_take_no_honest_link(town: Town) -> None:
    """Also where they are there first: all three start again while all of them dial without a pause."""
    with crowd(town.invite, town.own, town.machines, nothing):
        wait_until(lambda: len(town.anna.links()) > len(town.own) // 2, PATIENCE_S, "most places are theirs")
        for machine in town.machines:
            machine.stop()
        for machine in town.machines:
            others = [
                word for other in town.machines for word in ("--peer", other.address) if other is not machine
            ]
            machine.start(*UP, *others)
        for machine in town.machines:
            machine.wait_ready()
        town.wait_linked()
        town.require_witnessed("while-many-dial")


def test_what_many_keys_say_at_once_holds_up_no_put(town: Town) -> None:
    """Claims of heights (15 s for each key is a quarter of an hour), and puts whose content never comes."""
    with crowd(town.invite, town.own, [town.anna, town.cleo], unserved):
        wait_until(lambda: len(town.anna.links()) > len(town.own) // 2, PATIENCE_S, "they are heard")
        for number in range(2):
            town.require_witnessed(f"beside/{number}")


def processor_s(machine: Machine) -> float:
    assert machine.process is not None
    fields = Path(f"/proc/{machine.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def waiting(machines: Sequence[Machine]) -> int:
    return sum(len(machine.call("content.waiting")["contents"]) for machine in machines)


def test_when_the_many_are_expelled_nothing_is_looked_for_any_more_and_idle_is_idle(town: Town) -> None:
    with Intruder(town.anna.port, town.invite, town.own[0]) as intruder:
        for _ in range(HOLES // UNSERVED):
            unserved(intruder)
        wait_until(lambda: waiting([town.anna]) > UNSERVED, PATIENCE_S, "what they left is looked for")
    with Client.of_home(str(town.anna.home)) as client:
        for key in [*town.own, town.bad]:
            client.call("expel", member=key_text(key.key))
    wait_until(lambda: waiting(town.machines) == 0, PATIENCE_S, "their wants are over", every_s=0.2)
    wait_equal(town.machines)
    before = [processor_s(machine) for machine in town.machines]
    time.sleep(IDLE_S)  # what is measured is this time
    used = [processor_s(machine) - one for machine, one in zip(town.machines, before, strict=True)]
    assert max(used) <= IDLE_SHARE_MAX * IDLE_S, used
    said = [one for _ in range(REFUSALS) for one in heard(town, b"", town.bad)]
    assert {one.code for one in said if isinstance(one, Refused)} == {"expelled"}


def heard(town: Town, token: bytes, key: SecretKey) -> list[AnyMessage]:
    """All that a machine says to whoever shows that, and asks for everything, until it hangs up."""
    entry = town.anna.call("entry", path=LETTER)
    content, head = bytes.fromhex(entry["content"]), bytes.fromhex(town.anna.head()[1])
    said: list[bytes] = []
    with suppress(OSError, LinkError), Intruder(town.anna.port, town.invite, key, token=token) as intruder:
        intruder.introduce(head, 0)
        asked = GetRange(1, head, (), 1, 256), GetContent((content,)), Want((town.invite.common_id, head))
        intruder.say(*asked, OpenIds(tuple(range(16)), ()))
        while True:
            said += intruder.wait()
    return [decode_message(one) for one in said]


@pytest.mark.parametrize("invite", ["used", "expired"])
def test_whoever_holds_a_used_up_or_expired_invite_gets_nothing(town: Town, invite: str) -> None:
    """Section 3: nothing is served before admission but the answer to the admission itself."""
    answers: list[AnyMessage] = []
    for _ in range(REFUSALS):
        key = SecretKey.generate()
        _, expired = make_token(town.invite.common_id, 1_000, 1, os.urandom(INVITE_SEED_BYTES), town.bad)
        answers += heard(town, bear(town.invite.token if invite == "used" else expired, key.key), key)
        assert key_text(key.key) not in {one["key"] for one in town.anna.call("members")["members"]}
    assert answers and all(isinstance(one, Refused) for one in answers), answers
