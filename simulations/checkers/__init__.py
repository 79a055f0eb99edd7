"""What must hold, judged from outside: by bytes on disks and bytes that left machines, with own code.

Nothing in this package imports anything of aslp2p: msgpack, hashlib and libsodium are all that it shares with
what it checks. `artifacts` decodes, `law` judges a history from genesis by the rules of `docs/spec.md`, the
others look for what may never happen (safety) and for what must happen in the end (liveness).
"""
