"""Measures aslp2p beside other replicated stores and beside what the machine itself can do.

`python -m benchmarks` is the way in; `docs/benchmarks.md` says what each row means.
"""
