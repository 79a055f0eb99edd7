"""Secure links between nodes (G2): bytes in, bytes out; no sockets, no clock, no randomness of its own.

`noise` is the handshake engine, `frames` the encrypted stream of messages, `proof` what a domain key signs,
`session` the state machine over them. `docs/link.md` has the wire format to the byte.
"""
