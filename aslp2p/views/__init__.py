"""What people ask of a store, as JSON-able values: for the daemon's control socket and for stopped homes
alike.

A `View` is a `Reader` with what a question needs besides: which branch is the head's, and who asks.
`queries.QUERIES` is the table of questions by the name that the control socket gives them.
"""
