"""A folder beside a history: what may stand in it, and how it is written.

Nothing here knows a terminal or an event loop; what goes wrong is raised as the errors of `aslp2p.errors`.
"""
