"""The schema's history: `NNNN_name.sql`, applied in order, one transaction each; `PRAGMA user_version` is the
last one.

A file that has been released is never edited: what changes is a new file.
"""
