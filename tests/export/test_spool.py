"""What waits to be passed on outlives everything but a damaged disk, in order, below its limit."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from otelscore.export.spool import Request, Spool, SpoolFullError

MIB = 2**20


def request(number: int, size: int = 100) -> Request:
    return Request("traces", "application/x-protobuf", "", f"{number} ".encode().ljust(size, b"."))


def left_in(spool: Spool) -> list[Request]:
    spool.finish()
    found = []
    while (waiting := spool.take()) is not None:
        found.append(waiting.request)
    return found


def files(folder: Path) -> list[int]:
    """Their sizes."""
    return [path.stat().st_size for path in sorted(folder.iterdir())]


def test_requests_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB)
    wanted = [
        request(1),
        Request("logs", "application/json", "gzip", b"\x00\xff"),
        Request("metrics", "application/json", "", b""),
    ]
    for one in wanted:
        spool.put(one)
    assert left_in(spool) == wanted


def test_what_is_not_done_is_there_after_a_restart_and_what_is_done_is_not(tmp_path: Path) -> None:
    first = Spool(tmp_path, MIB)
    for number in range(5):
        first.put(request(number))
    taken = [first.take() for _ in range(4)]
    first.done(taken[1])  # out of order, as with several requests under way
    first.done(taken[3])
    # No close: the process is killed here.
    second = Spool(tmp_path, MIB)
    assert (second.requests, second.damaged) == (3, 0)
    second.put(request(5))
    assert left_in(second) == [request(0), request(2), request(4), request(5)]


def test_nothing_stays_on_the_disk_when_all_is_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB)  # a segment has 16 KiB
    for number in range(100):
        spool.put(request(number, 1000))
    assert len(files(tmp_path)) > 3
    assert sum(files(tmp_path)) == spool.size
    for _ in range(100):
        spool.done(spool.take())
    assert (files(tmp_path), spool.size, spool.requests) == ([0], 0, 0)
    spool.put(request(100))
    assert left_in(Spool(tmp_path, MIB)) == [request(100)]


def test_an_emptied_spool_leaves_no_file_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MIB)
    spool.put(request(1))
    spool.done(spool.take())
    Spool(tmp_path, MIB)
    assert files(tmp_path) == []


def test_beyond_its_limit_it_takes_nothing_and_what_it_has_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10_000)
    taken = 0
    while spool.has_room(1000):
        spool.put(request(taken, 1000))
        taken += 1
    with pytest.raises(SpoolFullError, match=r"limits\.forward_spool"):
        spool.put(request(taken, 1000))
    assert 10_000 - 1100 < sum(files(tmp_path)) <= 10_000
    spool.done(spool.take())
    spool.put(request(taken, 900))  # there is room as soon as something is delivered
    assert len(left_in(spool)) == taken


def test_a_limit_that_is_lower_than_before_loses_nothing(tmp_path: Path) -> None:
    first = Spool(tmp_path, MIB)
    for number in range(20):
        first.put(request(number, 1000))
    second = Spool(tmp_path, 5000)
    with pytest.raises(SpoolFullError):
        second.put(request(20))
    assert left_in(second) == [request(number, 1000) for number in range(20)]


@pytest.mark.parametrize("cut", [1, 50, 101, 118, 119])
def test_half_a_record_at_the_end_is_no_damage(tmp_path: Path, cut: int) -> None:
    first = Spool(tmp_path, MIB)
    first.put(request(1))
    first.put(request(2))
    (path,) = tmp_path.iterdir()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    second = Spool(tmp_path, MIB)
    assert second.damaged == 0
    assert second.size == sum(files(tmp_path))
    second.put(request(3))
    assert left_in(Spool(tmp_path, MIB)) == [request(1), request(3)]


def test_damage_costs_the_rest_of_one_segment_and_is_counted(tmp_path: Path) -> None:
    first = Spool(tmp_path, MIB)
    for number in range(40):
        first.put(request(number, 1000))
    oldest = min(tmp_path.iterdir())
    with oldest.open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff")
    second = Spool(tmp_path, MIB)
    found = left_in(second)
    assert second.damaged == 1
    lost = [number for number in range(40) if request(number, 1000) not in found]
    assert lost
    assert lost == list(range(4, 4 + len(lost)))
    assert len(lost) < 20


def test_a_disk_that_is_full_takes_nothing_of_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, MIB)
    spool.put(request(1))
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, parts, offset: write(fd, [b"".join(parts)[:30]], offset))
    with pytest.raises(SpoolFullError, match="No space left"):
        spool.put(request(2))
    monkeypatch.undo()
    spool.put(request(3))
    assert left_in(Spool(tmp_path, MIB)) == [request(1), request(3)]


def test_with_sync_a_request_is_on_the_disk_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, int]] = []

    def note(fd: int) -> None:
        status = os.fstat(fd)
        synced.append((status.st_ino, status.st_size))

    monkeypatch.setattr(os, "fsync", note)
    Spool(tmp_path / "lazy", MIB).put(request(1))
    assert not synced
    Spool(tmp_path / "eager", MIB, sync=True).put(request(1))
    (path,) = (tmp_path / "eager").iterdir()
    assert synced[0][0] == (tmp_path / "eager").stat().st_ino  # else a power cut may take the file's name
    assert synced[1] == (path.stat().st_ino, path.stat().st_size)


def test_without_a_folder_it_works_and_leaves_nothing_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool(None, MIB)
    for number in range(40):
        spool.put(request(number, 1000))
    assert files(tmp_path) == []
    assert left_in(spool) == [request(number, 1000) for number in range(40)]


def test_many_who_put_and_take_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 50_000)
    found: list[Request] = []

    def put(begin: int) -> None:
        for number in range(begin, begin + 300):
            while True:
                try:
                    spool.put(request(number))
                    break
                except SpoolFullError:
                    threading.Event().wait(0.001)

    def take() -> None:
        while (waiting := spool.take()) is not None:
            found.append(waiting.request)
            spool.done(waiting)

    takers = [threading.Thread(target=take) for _ in range(4)]
    putters = [threading.Thread(target=put, args=(begin,)) for begin in (0, 1000, 2000)]
    for thread in (*takers, *putters):
        thread.start()
    for thread in putters:
        thread.join()
    spool.finish()
    for thread in takers:
        thread.join()
    numbers = [number for begin in (0, 1000, 2000) for number in range(begin, begin + 300)]
    assert sorted(found, key=lambda one: one.body) == sorted(map(request, numbers), key=lambda one: one.body)
    assert spool.size == 0


def test_files_are_readable_for_nobody_else(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "forward", MIB)
    spool.put(request(1))
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "forward", *(tmp_path / "forward").iterdir())] == [
        0o700,
        0o600,
    ]
