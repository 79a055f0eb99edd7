"""Where a node keeps what it must not forget: `sqlite.SqliteStore` for a home, `memory.MemoryStore` for
simulations.

Both are the `Store` of `aslp2p.ledger.reader`; `fsck.fsck` looks through all of a stored home.
"""
