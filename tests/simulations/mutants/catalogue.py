"""All mutants, by name."""

from __future__ import annotations

from tests.simulations.mutants import floor_rules, gate_rules, node_rules, year_rules
from tests.simulations.mutants.plant import Mutant

ALL: dict[str, Mutant] = {
    one.name: one for family in (gate_rules, node_rules, year_rules, floor_rules) for one in family.MUTANTS
}
