"""What is true: policies, the one gate that snapshots pass, history with its branches, state and
succession."""
