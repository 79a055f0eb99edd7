"""One-line mistakes in the independent verifier, each noticed by a published vector.

They show that the vectors bind whoever writes a verifier from the specification alone: `plant` makes a
verifier with one of them in it, `catalogue` lists them with the vector that notices, or with the reason why
none can. `python -m tests.independent_verifier.mutants` looks for that vector again, for all of them.
"""
