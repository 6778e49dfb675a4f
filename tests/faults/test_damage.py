"""The files are not what they were when the process died: their end is lost, or their inside."""

from __future__ import annotations

import signal
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults.site import Load, Site, disagreements
from live import Server, eventually

RUNS = 12
PAGE = 4096


def tear(log: Path, at: int) -> None:
    with log.open("r+b") as file:
        file.truncate(at)


def flip(log: Path, at: int) -> None:
    with log.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


def unsaved(log: Path) -> range:
    """The bytes of a write-ahead log that are not in the database yet.

    The log has a head of 32 bytes and frames of a page with a head of 24; its index says which frames count and how
    many have been copied. Source: https://www.sqlite.org/walformat.html, "WAL-Index Header".
    """
    index = log.with_name(log.name.replace("-wal", "-shm")).read_bytes()
    (frames,), (copied,) = struct.unpack_from("=I", index, 16), struct.unpack_from("=I", index, 96)
    return range(32 + copied * (24 + PAGE), 32 + frames * (24 + PAGE))


@pytest.mark.parametrize("spoil", [tear, flip])
def test_of_a_log_that_is_spoiled_the_beginning_counts_and_what_is_sent_again_counts_once(
    site: Site, reference: Server, spoil: Callable[[Path, int], None]
) -> None:
    load, chance = Load(41, RUNS), Random(41)
    with load.to(site):
        pass
    assert eventually(lambda: site.server.value("open_trajectories"), 0.0) == 0.0
    site.kill()
    log = site.state() / "state.db-wal"
    spoil(log, chance.choice(unsaved(log)))
    site.watch.forget()
    site.start()
    load.once_to(site.server, load.runs)
    assert disagreements(site, load, reference) == []
    assert not list(site.state().glob("*damaged*"))


def test_a_damaged_database_is_set_aside_loudly_and_what_is_sent_again_counts_once(
    site: Site, reference: Server
) -> None:
    load = Load(42, RUNS)
    with load.to(site):
        pass
    assert site.stop(signal.SIGTERM) == 0  # the log is copied
    database = site.state() / "state.db"
    database.write_bytes(database.read_bytes()[:PAGE] + b"\xff" * (database.stat().st_size - PAGE))
    site.watch.forget()
    site.start()
    assert any("damaged" in line for line in site.server.lines)
    load.once_to(site.server, load.runs)
    assert disagreements(site, load, reference) == []
    assert list(site.state().glob("*damaged*"))
