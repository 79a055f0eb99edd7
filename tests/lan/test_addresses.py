"""Finding each other when the network is not as it should be: no multicast, no IPv4, other addresses."""

from __future__ import annotations

import pytest

from tests.lan.conftest import BuildHousehold
from tests.lan.machines import PATIENCE_S, Machine, found, wait_equal
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan


def meet(*machines: Machine) -> None:
    """Until each of two is linked with the other, and what one puts the other has."""
    keys = {machine.key for machine in machines}
    wait_until(
        lambda: all(one.links() == keys - {one.key} for one in machines), PATIENCE_S, "each meets the other"
    )
    for machine in machines:
        machine.asl("put", "--no-wait", "-", f"from-{machine.name}", stdin=f"{machine.host.ip}\n")
    wait_until(
        lambda: all({f"from-{one.name}" for one in machines} <= each.paths() for each in machines),
        PATIENCE_S,
        "both have both",
    )
    wait_equal(machines)


def test_without_multicast_the_invite_and_memory_will_do(build_household: BuildHousehold) -> None:
    lan, (anna, ben) = build_household("anna", "ben")
    lan.block_mdns()
    found(anna, ben)  # by the addresses in the invite
    meet(anna, ben)
    for machine in (anna, ben):
        machine.stop()
    for machine in (anna, ben):
        machine.up()
    meet(anna, ben)


def test_without_multicast_and_at_new_addresses_a_configured_peer_will_do(
    build_household: BuildHousehold,
) -> None:
    lan, (anna, ben) = build_household("anna", "ben")
    found(anna, ben)
    lan.block_mdns()
    for machine in (anna, ben):
        machine.stop()
        machine.host.change_address(100 + machine.host.index)
    anna.up()
    ben.up("--peer", anna.address)
    meet(anna, ben)


def test_a_machine_that_gets_another_address_is_found_again(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    found(anna, ben)
    anna.host.change_address(99)
    wait_until(
        lambda: any("10.77.0.99" in address for address in anna.call("peers")["addresses"]),
        PATIENCE_S,
        "anna knows her new address",
    )
    anna.asl("put", "-", "from-the-new-address", stdin="here I am\n")
    wait_until(lambda: "from-the-new-address" in ben.paths(), PATIENCE_S, "ben hears of it")
    assert "this machine has another address now" in anna.log.read_text(), "it did not wait for silence"
    meet(anna, ben)


def test_two_machines_with_ipv6_only(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    for machine in (anna, ben):
        machine.host.remove_address(f"{machine.host.ip}/24")
    found(anna, ben)
    meet(anna, ben)


def test_two_machines_with_ipv6_only_and_no_router(build_household: BuildHousehold) -> None:
    _, (anna, ben) = build_household("anna", "ben")
    for machine in (anna, ben):
        machine.host.remove_address(f"{machine.host.ip}/24")
        machine.host.remove_address(f"{machine.host.ip6}/64")
    found(anna, ben)  # by their link-local addresses
    meet(anna, ben)
