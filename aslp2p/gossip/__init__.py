"""How artifacts spread: messages, what a peer is known to have, what to ask whom. No sockets, no clock of
its own."""
