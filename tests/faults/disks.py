"""Where the state of a server under test lies, and how it is taken the room or the right to write."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

BALLAST = "ballast"
SIZE = 6  # MiB of the small file system


class Disk(Protocol):
    folder: Path
    command: tuple[str, ...]  # what a process that uses the folder is started by

    def fill(self, pid: int) -> None:
        """From now on nothing can grow; `pid` is the process that writes there."""

    def clear(self, pid: int) -> None:
        """It can again; the process may be gone."""

    def close(self) -> None: ...


class Quota:
    """A folder of the machine's own disk; the largest size of a file stands for the disk. Everybody may set that."""

    command = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, pid: int) -> None:
        self._limit(pid, max((part.stat().st_size for part in self.folder.glob("state/state.db*")), default=0))

    def forbid(self, pid: int) -> None:
        """From now on no byte of any file can be written, as where a file system turned read-only.

        (One in memory cannot be made so by a mount while a file on it is open to write.)
        """
        self._limit(pid, 0)

    def clear(self, pid: int) -> None:
        self._limit(pid, None)

    def close(self) -> None:
        pass

    @staticmethod
    def _limit(pid: int, size: int | None) -> None:
        with suppress(ProcessLookupError):
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))


class SmallDisk:
    """A file system of a few MiB in memory, seen only in a mount namespace that a process of its own holds open."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        mount = f'mount -t tmpfs -o size={SIZE}m tmpfs "$0" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", mount, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "mounted\n"
        self.command = ("nsenter", "--preserve-credentials", "--wd=.", "-U", "-m", "-t", str(self._holder.pid), "--")

    def fill(self, pid: int) -> None:
        done = self._inside("dd", "if=/dev/zero", f"of={self.folder / BALLAST}", "bs=4k")
        assert "No space left on device" in done.stderr

    def clear(self, pid: int) -> None:
        self._inside("rm", str(self.folder / BALLAST))

    def close(self) -> None:
        self._holder.communicate("")

    def _inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self.command, *command], capture_output=True, text=True, check=False)


def _can_mount() -> bool:
    try:
        tried = subprocess.run(
            ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


DISKS: dict[str, Callable[[Path], Disk]] = {"quota": Quota}
"""Those that this user may make on this machine."""
if _can_mount():
    DISKS["small disk"] = SmallDisk
