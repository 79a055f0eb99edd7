"""What travels as files instead of over links: bundles out and in, and whole homes that change machines.

Used by the command line on stopped homes and by the daemon alike; nothing here needs trio or a link.
"""
