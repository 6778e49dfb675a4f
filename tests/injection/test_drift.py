from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from otelscore.faults.cassette import Call, Cassette
from otelscore.faults.drift import compare

SERVER = (sys.executable, str(Path(__file__).with_name("server.py")))


def changes(old, new):
    (found,) = compare([Call("t", {}, old)], [Call("t", {}, new)])
    return list(found.changes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"a": 1}, {"a": 2.5}, []),
        ({"a": 1}, {"a": "1"}, ["a: number, now text"]),
        ({"a": 1}, {}, ["a: number, gone"]),
        ({}, {"a": None}, ["a: null, new"]),
        ([{"a": 1}], [{"a": 1, "b": True}], ["[].b: boolean, new"]),
        ([{"a": 1}], [], []),
        ([], [{"a": 1}], []),
        ({"a": {"b": [1]}}, {"a": {"b": 1}}, ["a.b: list, now number", "a.b[]: number, gone"]),
        ('{"a": 1}', '{"a": []}', ["a: number, now list"]),
        ("text", {"a": 1}, ["a: number, new", "the result: text, now object"]),
    ],
)
def test_what_has_changed_in_a_result(old, new, said):
    assert changes(old, new) == said


def test_errors_and_latency_are_per_tool():
    failed = Call("t", {}, None, ("ValueError", "x"), 3.0)
    before = [Call("t", {}, 1, None, 1.0), Call("t", {}, 1, None, 2.0), Call("u", {}, 1, None, 1.0)]
    found = compare(before, [failed, Call("t", {}, 1, None, 5.0), before[2]])
    assert [(one.tool, one.calls, one.errors, one.seconds, one.has_changed) for one in found] == [
        ("t", 2, (0.0, 0.5), (1.5, 4.0), True),
        ("u", 1, (0.0, 0.0), (1.0, 1.0), False),
    ]


def otelscore(*arguments):
    return subprocess.run([sys.executable, "-m", "otelscore", *arguments], check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def cassette(tmp_path_factory):
    path = tmp_path_factory.mktemp("drift") / "cassette.jsonl"
    orders = {"customer": "c", "orders": [{"order_id": "c-1", "total": 10.5}]}
    result = {"content": [{"type": "text", "text": json.dumps(orders)}], "structuredContent": orders}
    Cassette(
        (
            Call("find_orders", {"customer": "c"}, result, None, 0.01),
            Call("cancel_order", {"order_id": "1"}, {"content": []}, None, 0.01),
        )
    ).save(path)
    return path


def test_a_server_that_has_not_changed(cassette):
    done = otelscore("drift", str(cassette), "--", *SERVER)
    assert done.returncode == 0, done.stderr
    assert "find_orders" in done.stdout
    assert "cancel_order" in done.stderr  # nobody calls it again


def test_a_changed_server_is_reported_with_the_field(cassette):
    done = otelscore("drift", str(cassette), "--json", "--", *SERVER, "drifted")
    assert done.returncode == 1, done.stderr
    (found,) = map(json.loads, done.stdout.splitlines())
    assert found["changes"] == ["orders[].total: number, gone", "orders[].total_amount: number, new"]


@pytest.mark.parametrize("server", [("--", "no-such-command"), ("--", "true"), ("--url", "http://127.0.0.1:9/mcp")])
def test_a_server_that_cannot_be_asked_is_no_drift(cassette, server):
    done = otelscore("drift", str(cassette), *server)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the server cannot be reached: ")
    assert done.stderr.count("\n") == 1
