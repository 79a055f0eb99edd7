"""The node without its shell: `NodeCore.step(input, now) -> Step`, deterministic and without I/O."""
