"""A process that dies or runs out of disk: what was committed is there, and nothing half."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from otelscore.store import Store

WRITE = """
store = Store.open(folder, "process", 1 << 30)
number = int((store.meta("last") or b"0").decode())
while True:
    number += 1
    with store.transaction():
        for part in range(3):
            store.append(REQUEST, number, b"%d " % number * 3000)
        if number > 20:
            store.delete_entries(old for old, _, written, _ in store.journal() if written == number - 20)
        store.put_totals([("steps_total", "[]", b"%d" % number)])
        store.put_meta("last", b"%d" % number)
    print(number, flush=True)
"""


@pytest.mark.parametrize("commits", [1, 2, 17, 60, 150])
def test_what_was_committed_before_a_kill_is_there_and_nothing_half(
    folder: Path, program: Callable[[str], Popen[str]], commits: int
) -> None:
    said = 0
    for _ in range(3):
        writer = program(WRITE)
        assert writer.stdout
        first = int(writer.stdout.readline())
        assert first > said
        said = next(int(line) for line in writer.stdout if int(line) >= first + commits)
        writer.send_signal(signal.SIGKILL)
        said = max(said, *(int(line) for line in writer.stdout if line.endswith("\n")), 0)
        writer.wait()
        store = Store.open(folder, "process", 1 << 30)
        assert store.set_aside is None
        last = int(store.meta("last") or b"0")
        assert last in (said, said + 1)  # the last one may have had no time to tell
        assert list(store.totals()) == [("steps_total", "[]", b"%d" % last)]
        kept = range(max(last - 19, 1), last + 1)
        assert Counter(int(written) for _, _, written, _ in store.journal()) == dict.fromkeys(kept, 3)
        assert all(body == b"%d " % written * 3000 for _, _, written, body in store.journal())
        store.close()


FULL = """
store = Store.open(folder, "process", 1 << 30)
written = 0

def write(count):
    global written
    for _ in range(count):
        with store.transaction():
            store.append(REQUEST, 0.0, bytes(50_000))
        written += 1

write(10)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
try:
    write(1000)
except StoreError as error:
    print(type(error).__name__, written, len(list(store.journal())), error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(100)
store.close()
store = Store.open(folder, "process", 1 << 30)
print(written, len(list(store.journal())), store.set_aside)
"""


def test_on_a_full_disk_the_store_refuses_and_goes_on_when_there_is_room(
    program: Callable[[str], Popen[str]],
) -> None:
    """The largest size of a file stands for the disk: it can be set without being root."""
    refused, after = program(FULL).communicate()[0].splitlines()
    error, written, kept, *advice = refused.split()
    assert error in ("StoreError", "StoreFullError")
    assert 10 < int(written) == int(kept) < 1000
    assert "disk" in advice
    assert after == f"{int(written) + 100} {int(written) + 100} None"
