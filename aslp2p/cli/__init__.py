"""`asl`, the command line. `main` is the whole program; each command's module is loaded when it is called.

`asl status` has to answer at once, so nothing here imports more than click; the control client is standard
library only; msgspec, PyNaCl and the store load for a stopped home, rich for progress, trio in `asl up`.
"""

from __future__ import annotations

from aslp2p.cli.group import main

__all__ = ["main"]
