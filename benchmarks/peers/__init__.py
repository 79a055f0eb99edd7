"""The other replicated stores, one module each; a module offers `SYSTEMS`, see `benchmarks.cluster`."""
