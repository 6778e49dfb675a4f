from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from otelscore.export.verdicts import MAX_VERDICTS, answer
from otelscore.model import OverloadedError, SenderError, Verdict


def read(given: object) -> Verdict:
    """A verdict is a trace's number here."""
    if not isinstance(given, int):
        raise SenderError("expected a number")
    return Verdict("task_success", True, 0, bytes([given]))


class Ear:
    """Says of each verdict which it was."""

    def __init__(self) -> None:
        self.heard: list[list[int]] = []

    def __call__(self, verdicts: Sequence[Verdict]) -> list[str]:
        self.heard.append([verdict.trace_id[0] for verdict in verdicts])
        return [f"the {verdict.trace_id[0]}" for verdict in verdicts]


def post(body: object, hear: Any = None) -> tuple[int, Any]:
    status, told = answer(json.dumps(body).encode(), read, hear or Ear())
    return status, json.loads(told)


@pytest.mark.parametrize("body", [[1, 2], {"verdicts": [1, 2]}])
def test_each_verdict_is_answered_in_its_place(body: object) -> None:
    assert post(body) == (200, {"verdicts": [{"status": "the 1"}, {"status": "the 2"}]})


def test_one_object_is_one_verdict() -> None:
    ear = Ear()
    status, told = answer(b'{"trace_id": "..."}', lambda given: read(len(str(given))), ear)
    assert (status, json.loads(told), len(ear.heard[0])) == (200, {"verdicts": [{"status": "the 19"}]}, 1)


def test_good_ones_are_taken_together_and_bad_ones_named_by_their_place() -> None:
    ear = Ear()
    status, told = post([7, "x", 8, None], ear)
    assert (status, ear.heard) == (200, [[7, 8]])
    assert [one["status"] for one in told["verdicts"]] == ["the 7", "rejected", "the 8", "rejected"]
    assert told["verdicts"][3]["error"] == "verdicts[3]: expected a number"


def test_where_none_can_be_read_the_request_is_bad() -> None:
    ear = Ear()
    status, told = post(["x", None], ear)
    assert (status, told["error"], len(told["verdicts"]), ear.heard) == (400, "verdicts[0]: expected a number", 2, [])


@pytest.mark.parametrize("body", [7, "pass", None, {"verdicts": 7}])
def test_anything_else_is_no_list_of_verdicts(body: object) -> None:
    status, told = post(body)
    assert status == 400
    assert "expected a verdict, a list of them" in told["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1] [2]", b'"\xff"', b"[" * 5000])
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    status, told = answer(body, read, Ear())
    assert status == 400
    assert "no JSON" in json.loads(told)["error"]


def test_no_verdicts_are_no_error() -> None:
    assert post([]) == (200, {"verdicts": []})


def test_too_many_are_refused() -> None:
    assert post([1] * MAX_VERDICTS)[0] == 200
    status, told = post([1] * (MAX_VERDICTS + 1))
    assert status == 400
    assert "10001 verdicts are too many" in told["error"]


def test_what_cannot_be_stored_is_to_be_sent_again() -> None:
    def hear(_: object) -> list[str]:
        raise OverloadedError("the disk is full")

    assert post([1, "x"], hear) == (503, {"error": "the disk is full"})
