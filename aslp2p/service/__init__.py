"""The daemon as a service of the system: unit files, and the manager that runs them.

`unit_files` says what is written, `managers` who is told: systemd for one user or for the whole machine,
launchd on macOS. Knows no terminal; a command that fails raises `UserError` with what the manager said.
"""
