"""A virtual network, clock and disk around the real NodeCore; nothing of the protocol is written twice."""
