"""The trio shell around the core: sockets, discovery, the effect loop, the control server. Only `asl up` imports it."""
