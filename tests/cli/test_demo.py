"""`asl demo` comes true: it checks each of its own steps, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ASL = (sys.executable, "-c", "from aslp2p.cli import main; main()")


def test_the_demo_ends_well_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*ASL, "demo", "--pace", "0"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    for line in (
        '  mia $ asl rotate alice --reason "I am moving out"',
        "    Note: witness rotated at common@",
        "  alice $ kill -9 ",
        "    Note: this machine stepped down: ",
        "  (sent: common@999 ",
        "All five end on ",
    ):
        assert line in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_the_daemons_too(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*ASL, "demo", "--pace", "3"],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        while not demo.stdout.readline().startswith("── Everybody may propose"):
            pass
        running = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _runs_in(entry, tmp_path)]
        assert len(running) == 5
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
        assert "Stopped" in demo.stderr.read()
    assert not any(_runs_in(Path(f"/proc/{pid}"), tmp_path) for pid in running)
    assert tempfile.gettempdir() != str(tmp_path) and list(tmp_path.iterdir()) == []


def _runs_in(process: Path, folder: Path) -> bool:
    """Whether a process is a daemon of a home in `folder`."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"up" in words and any(word.startswith(os.fsencode(folder)) for word in words)
