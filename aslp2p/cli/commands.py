"""The commands: which module has each, and what it does in one line."""

from __future__ import annotations

SECTIONS = {
    "Begin": {
        "init": ("begin", "Found a Common; this machine is its first witness."),
        "invite": ("invite", "Let another machine in: by a short code, a QR code or a text."),
        "join": ("join", "Join a Common with a code, an invite or a file."),
        "up": ("up", "Run the daemon in the foreground."),
        "down": ("service", "Stop the running daemon."),
        "service": ("service", "Run the daemon at every start of this machine."),
        "demo": ("demo", "See it once: five machines on this one, and a witness that dies."),
    },
    "Look": {
        "status": ("status", "What is going on."),
        "notices": ("notices", "What this machine wants to tell its person."),
        "health": ("health", "How this machine is, for monitoring: one line and an exit code."),
        "doctor": ("doctor", "What keeps machines apart, and what to type."),
        "events": ("events", "What happens, as it happens."),
        "metrics": ("metrics", "This machine's state for Prometheus."),
        "peers": ("peers", "Each machine: linked or when last, how far, where, how found."),
        "members": ("people", "Who is in; admit and expel."),
        "leave": ("leave", "End this machine's membership."),
        "common": ("commons", "Which Commons this machine follows."),
        "self": ("begin", "Show this machine's key and name."),
        "help": ("helping", "What a command does, or a topic is about."),
        "version": ("version", "Which version this is."),
    },
    "Files": {
        "put": ("put", "Put files into the Common."),
        "get": ("files", "Write out one file, of any version."),
        "rm": ("files", "Remove files."),
        "ls": ("files", "List files."),
        "df": ("df", "What uses the disk."),
        "keep": ("keep", "How much this machine keeps."),
        "prune": ("keep", "Free the disk now of what others keep."),
        "where": ("keep", "Who has a file."),
        "erase": ("erase", "Erase the bytes of an old version from every machine."),
        "restore": ("restore", "Put back an old version of a file; or make a home from a backup."),
        "sync": ("sync", "Bring a folder and the Common together."),
        "folder": ("folder", "Folders that the daemon keeps in step."),
        "checkout": ("checkout", "Write out the whole tree, of any version."),
    },
    "History": {
        "log": ("history", "The history, newest first."),
        "show": ("history", "One version, file or proposal."),
        "diff": ("history", "What changed between two versions."),
        "pin": ("pin", "Keep reading at one version; or keep a file here for good."),
        "unpin": ("pin", "Read the newest version again; or end such a pin."),
        "verify": ("verify", "Judge the whole history again."),
        "explain": ("explain", "How the right to write came from genesis to a version, and who signed."),
    },
    "Decide": {
        "proposals": ("history", "What waits for the witness or for endorsements, and what was refused."),
        "dismiss": ("dismiss", "Hear no more of what was refused."),
        "endorse": ("endorse", "Endorse a succession or a policy change."),
        "withdraw": ("withdraw", "Take back what this machine proposed."),
        "authority": ("authority", "Who may replace the witness; add, remove and replace them by name."),
        "policy": ("policy", "Who may replace the witness; propose another policy."),
    },
    "Replace the witness": {
        "rotate": ("succession", "Hand the witness's office to another machine."),
        "recover": ("succession", "Ask for a new witness when the old one is gone."),
        "revoke": ("succession", "End a key that was stolen, or signed two histories."),
        "floor": ("floor", "The policy change below which this machine goes back for nobody."),
        "evidence": ("evidence", "What shows that a witness signed two histories."),
        "vouch": ("succession", "Alone in a Common: say that this key's journal is whole."),
    },
    "Carry": {
        "bundle": ("bundle", "A Common, or a part of it, as a file that travels."),
        "prove": ("prove", "Make a small proof that a file is in the Common."),
        "verify-proof": ("prove", "Check such a proof, without a home."),
    },
    "This machine": {
        "key": ("key", "Keep this machine's key, or bring one back."),
        "move": ("move", "Take this home to another machine."),
        "backup": ("move", "Copy this home, for its data; the daemon may run."),
        "fsck": ("verify", "Look for damage in what is stored."),
        "completion": ("version", "Shell completion."),
    },
}
"""Sections of `asl --help`, each from command to (module, words)."""

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
