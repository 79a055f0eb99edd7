"""aslp2p: one shared, signed history on your own machines, with a notary that can be replaced."""

__version__ = "0.2.0"
