"""What is not as it should be here: one table for `status`, `health`, `doctor`, notices and scripts.

How it works. `find` reads what `status` answers and gives every condition that holds now. A condition is of a
`Kind` (`table`): how bad it is, whether a person has to decide, how long it has to last before it is worth a
line, and which others explain it. `Lasting` remembers since when each holds, and `judge` leaves out what has
not lasted and what another one explains: who has no network is told that, and not that each peer is offline.

A condition carries the commands that help, as they are typed on this machine. Only the standard library is
loaded here, so that a command which asks the daemon starts at once.
"""
