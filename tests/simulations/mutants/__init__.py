"""Planted mistakes: each breaks one rule of `docs/spec.md`, or persist-then-send.

`plant` puts one into the running process and takes it out again, `catalogue` lists them, `hunt` looks for the
first seed of the default sweep that notices. `python -m tests.simulations.mutants` hunts them all and prints
the table that `docs/simulations.md` shows.
"""
