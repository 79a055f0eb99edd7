"""Runs the workload into a crash or a failing disk, again and again, each time in a fork of its own.

A process with `faults.c` preloaded: `python -m tests.store.crash_child LIBRARY FOLDER`. Each line of standard
input is `STOP MODE`; each line of standard output answers with JSON: `calls` (in mode 0), how many commits
were `acknowledged` and whether it `crashed`, or how many `faults` it met, and the `problem`, if what was
found afterwards is not what has to be there.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import Any

from aslp2p.errors import DiskFault
from aslp2p.store.fsck import fsck
from aslp2p.store.memory import MemoryStore
from aslp2p.store.sqlite import SqliteStore
from tests.store.workload import commits, everything, fill

COUNT, DIE, TEAR, LOSE, SHUFFLE, FULL_ONCE, FAIL_ONCE, FULL_ON, FAIL_ON = range(9)
CRASHES = (DIE, TEAR, LOSE, SHUFFLE)
FAILURES = (FULL_ONCE, FAIL_ONCE, FULL_ON, FAIL_ON)
CRASHED = 137
CHECKPOINT_PAGES = 24
"""Few, so that the workload passes through several checkpoints."""
SMALL_BYTES_MAX = 16
THOROUGH_EVERY = 32
"""Of so many stops four are also looked through by fsck, and its workload finished."""


@cache
def truths() -> list[dict[str, Any]]:
    """What is to be answered after 0, 1, … commits."""
    memory = MemoryStore()
    answers = [everything(memory)]
    for writes in commits():
        fill(memory, (writes,))
        answers.append(everything(memory))
    return answers


def open_store(path: Path) -> SqliteStore:
    """One that keeps its contents as files."""
    return SqliteStore(path, checkpoint_pages=CHECKPOINT_PAGES, small_bytes_max=SMALL_BYTES_MAX)


class Child:
    def __init__(self, library: str, folder: Path) -> None:
        self.faults = ctypes.CDLL(library)
        self.folder = folder
        self.path = folder / "store.db"

    def run(self, stop: int, mode: int) -> dict[str, Any]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self.faults.faults_arm(str(self.folder).encode(), stop, mode, stop)
                if mode in FAILURES:
                    os.write(writable, b"%d" % self.survive())
                else:
                    self.work(writable)
                if mode == COUNT:
                    os.write(writable, b"%d" % self.faults.faults_calls())
                os._exit(0)
            except BaseException:
                os.write(writable, traceback.format_exc().encode())
                os._exit(1)
        os.close(writable)
        _, status = os.waitpid(pid, 0)
        with open(readable, "rb") as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, CRASHED):
            return {"problem": said.decode(errors="replace") or f"exit status {code}"}
        if mode in FAILURES:
            return {"faults": int(said), "problem": ""}
        acknowledged = said.count(b".")
        answer = {"acknowledged": acknowledged, "crashed": code == CRASHED, "problem": ""}
        if mode == COUNT:
            return answer | {"calls": int(said.lstrip(b"."))}
        if mode in CRASHES:
            answer["problem"] = self.problem(acknowledged, thorough=stop % THOROUGH_EVERY < len(CRASHES))
        return answer

    def work(self, acknowledge: int) -> None:
        store = open_store(self.path)
        for writes in commits():
            store.apply(writes)
            store.commit()
            os.write(acknowledge, b".")
        store.close()

    def problem(self, acknowledged: int, *, thorough: bool) -> str:
        """Opened after the crash: all that was acknowledged, and nothing or all of the next commit."""
        store = open_store(self.path)
        try:
            found = everything(store)
            possible = [done for done in range(acknowledged, len(truths()))[:2] if found == truths()[done]]
            if not possible:
                return f"after {acknowledged} commits were acknowledged, neither they nor one more are there"
            if store.opened_with:
                return f"opening found {store.opened_with}"
            if thorough:
                if findings := list(fsck(store)):
                    return f"fsck found {findings}"
                fill(store, commits()[possible[0] :])
                if everything(store) != truths()[-1]:
                    return "the workload could not be finished"
        finally:
            store.close()
        return ""

    def survive(self) -> int:
        """Work on a disk that fails: each failure is a `DiskFault` that changes nothing and can be tried
        again.

        Returns how many there were: none if the failure was SQLite's alone to deal with (a checkpoint is put
        off).
        """
        faults = 0
        try:
            store = open_store(self.path)
        except DiskFault as error:
            if type(error) is not DiskFault:
                raise
            faults += 1
            self.faults.faults_disarm()
            store = open_store(self.path)
        for done, writes in enumerate(commits()):
            try:
                store.apply(writes)
                store.commit()
            except DiskFault as error:
                if type(error) is not DiskFault:
                    raise
                assert everything(store) == truths()[done], f"commit {done} failed and left something"
                faults += 1
                self.faults.faults_disarm()
                store.apply(writes)
                store.commit()
        store.close()
        self.faults.faults_disarm()
        again = open_store(self.path)
        assert everything(again) == truths()[-1], "what was written is not there"
        again.close()
        return faults


def main() -> None:
    child = Child(sys.argv[1], Path(sys.argv[2]))
    truths()
    for line in sys.stdin:
        stop, mode = map(int, line.split())
        try:
            answer = child.run(stop, mode)
        except Exception:
            answer = {"problem": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
