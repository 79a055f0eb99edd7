"""Which vector notices each mutant, looked for among all: `python -m tests.independent_verifier.mutants`."""

from __future__ import annotations

from tests.independent_verifier.mutants.catalogue import EQUIVALENT, MUTANTS
from tests.independent_verifier.mutants.plant import planted, who_notices


def main() -> None:
    for mutant in (*MUTANTS, *EQUIVALENT):
        with planted(mutant) as reading:
            print(
                f"{mutant.module}: {mutant.old} -> {mutant.new}: {who_notices(reading) or 'NOBODY'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
