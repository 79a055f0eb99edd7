"""The control socket as its clients see it: message types, where the socket is, a blocking client.

Standard library only, and little of it (json, socket): `asl` imports this at every start.
"""
