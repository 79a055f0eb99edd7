"""The files of a home: one domain's key, its configuration, and a folder for every Common that it follows.

    HOME/key               the domain's secret (`key`)
    HOME/name              what this domain calls itself (`names`)
    HOME/config.toml       what its owner decided (`config`)
    HOME/version           which layout this is (`folder`)
    HOME/lock              held by the daemon while it runs (`lock`)
    HOME/port              the port that it listened on last
    HOME/control.sock      the control socket, or control.path with its path when that is too long
    HOME/retired           there when the key signs nothing here (`retired`)
    HOME/default           the id of the Common that commands mean when they name none
    HOME/seen.db           what files held when they were put (`seen`); in no backup
    HOME/folders           the folders that follow a Common (`followed`)
    HOME/commons/ID16/     a Common, by the first 16 digits of its id; its history is in store.db,
                           large contents in store.contents/ab/cdef… by their ids

`Home` is the folder. Everything is readable by its owner only.
"""

from aslp2p.home.folder import Home

__all__ = ["Home"]
