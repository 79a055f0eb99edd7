"""A folder beside a history. Nothing here knows a terminal or an event loop, or any error but ours.

trees, plan, aside     what folder and history are like, and what brings them together; pure
names, rules           which paths a folder holds at all
disk, scan, writing    the folder as it is, and changing it carefully; `Disk` is an argument
system                 system calls that Python has no name for
base                   what both last agreed on, in a small database in the folder
sync, checkout         one run: take the trees, plan, do
doing, report          the steps of a plan, many at a time; what came of them
remote, common         the history, as a folder needs it, and as whatever answers questions gives it
"""
