"""All mutants, by name."""

from __future__ import annotations

from tests.simulations.mutants import node_rules, paper_rules, year_rules
from tests.simulations.mutants.plant import Mutant

ALL: dict[str, Mutant] = {
    one.name: one for one in (*paper_rules.MUTANTS, *node_rules.MUTANTS, *year_rules.MUTANTS)
}
