from __future__ import annotations

import pytest

from otelscore.faults.cassette import Call, Cassette, CassetteError, Player, RecordedError, Recorder, error_of

CALLS = (
    Call("search", {"q": "a"}, [1], None, 0.5),
    Call("search", {"q": "a"}, [2], None, 0.25),
    Call("mail", {}, None, ("ValueError", "no"), 0.0),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cassette.jsonl"


def test_what_is_saved_is_loaded(path):
    Cassette(CALLS).save(path)
    assert Cassette.load(path).calls == CALLS


def test_a_killed_recording_plays_as_far_as_it_came(path):
    recorder = Recorder(path)
    recorder.add(CALLS[0])
    with path.open("ab") as file:
        file.write(b'{"tool": "sea')
    assert Cassette.load(path).calls == CALLS[:1]


def test_calls_of_one_key_come_in_order_each_once():
    player = Player(CALLS)
    assert [player.next_call("search", {"q": "a"}) for _ in range(3)] == [*CALLS[:2], None]
    assert player.next_call("search", {"q": "b"}) is None


def test_the_last_may_be_repeated():
    player = Player(CALLS, repeat=True)
    assert [player.next_call("search", {"q": "a"}).result for _ in range(3)] == [[1], [2], [2]]


def test_the_order_of_arguments_makes_no_difference():
    player = Player([Call("t", {"a": 1, "b": {"c": 1, "d": 2}})])
    assert player.next_call("t", {"b": {"d": 2, "c": 1}, "a": 1})


def test_an_error_of_an_unknown_class_keeps_its_name():
    with pytest.raises(RecordedError, match=r"acme\.Gone: away"):
        Call("t", {}, error=("acme.Gone", "away")).answer()


def test_an_error_is_named_as_a_plan_would():
    for error in (ValueError("a"), CassetteError("b")):
        with pytest.raises(type(error), match=str(error)):
            Call("t", {}, error=error_of(error)).answer()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ('{"a": 1}\n', "line 1: not"),
        ('{"otelscore_cassette":1}\n{}\n', "line 2: no recorded call"),
        ('{"otelscore_cassette":1}\nx\n', "line 2"),
    ],
)
def test_what_is_no_cassette_says_so(path, text, complaint):
    path.write_text(text)
    with pytest.raises(CassetteError, match=complaint):
        Cassette.load(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(CassetteError, match="No such file"):
        Cassette.load(path)


def test_what_cannot_be_written_says_so(path):
    with pytest.raises(CassetteError, match="cannot be recorded: Type is not JSON serializable: object"):
        Recorder(path).add(Call("t", {}, object()))
