from __future__ import annotations

import pytest

from otelscore.trajectory.memory import SPANS_OF_TRACE, Learnt, Memories, Memory


def learnt(trace: str, *span_ids: str, until: float = 100.0) -> Learnt:
    return Learnt(until, trace.encode(), "shop", 10, 20, "".join(span_ids).encode())


@pytest.mark.parametrize("copies", [1, SPANS_OF_TRACE])
def test_an_id_is_known_only_as_a_whole(copies):
    memory = Memory(0.0, 0, 0, bytearray(b"abcdefghijklmnopabcdefgh" * copies))
    assert all(map(memory.holds, (b"abcdefgh", b"ijklmnop")))
    assert not any(map(memory.holds, (b"efghijkl", b"bcdefghi", b"mnopabcd", b"12345678")))
    memory.add(learnt("", "12345678"))
    assert memory.holds(b"12345678")


def test_beyond_the_limit_the_oldest_trace_is_forgotten_and_that_is_counted():
    memories = Memories(limit=2)
    for until, trace in enumerate(("a", "b", "a", "c")):
        memories.remember(learnt(trace, "12345678", until=float(until)))
    assert [trace for trace in "abc" if memories.get(trace.encode(), "shop")] == ["a", "c"]
    assert memories.forgotten == 1
    assert memories.since(9.0) == 2.0


def test_a_trace_of_very_many_spans_takes_the_room_of_several():
    memories = Memories(limit=2)
    memories.remember(learnt("long", *["12345678"] * 2 * SPANS_OF_TRACE))
    assert memories.forgotten == 0
    memories.remember(learnt("short", "12345678"))
    assert memories.get(b"long", "shop") is None
    assert memories.get(b"short", "shop")
    assert memories.forgotten == 1


def test_what_was_let_go_leaves_its_room():
    memories = Memories(limit=1)
    for until in (1.0, 2.0, 3.0):
        memories.remember(learnt("long", *["12345678"] * SPANS_OF_TRACE, until=until))
        memories.expire(until)
    assert memories.forgotten == 0
    assert memories.since(9.0) == 9.0
