"""The trio shell around the core: sockets, discovery, effects, control. Only `asl up` imports it."""
