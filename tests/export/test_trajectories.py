from __future__ import annotations

import json
from math import inf

import pytest

from otelscore.export.trajectories import PATH, Query, QueryError, answer, parse


def test_without_parameters_the_newest_hundred_are_asked_for():
    assert parse({}) == Query({}, -inf, inf, 100)


def test_filters_times_and_limit_are_read():
    given = {"agent": ["planner"], "response": ["repeated"], "since": ["1000"], "before": ["1970-01-01T01:00:00Z"]}
    assert parse(given | {"limit": ["7"]}) == Query({"agent": "planner", "response": "repeated"}, 1000.0, 3600.0, 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agnet": ["x"]}, "unknown parameter agnet; did you mean agent?"),
        ({"agent": ["x", "y"]}, "agent is given 2 times"),
        ({"limit": ["0"]}, "limit: expected a whole number from 1 to 1000"),
        ({"limit": ["1001"]}, "limit: expected"),
        ({"limit": ["ten"]}, "limit: expected"),
        ({"since": ["yesterday"]}, "since: expected a time"),
        ({"before": ["nan"]}, "before: expected a time"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_would_be_right(given, said):
    with pytest.raises(QueryError) as error:
        parse(given)
    assert str(error.value).startswith(said)


def test_the_answer_is_a_list_one_run_or_an_error():
    runs = {"a:b": {"trajectory_id": "a:b"}}

    def find(filters, *_):
        return [{**one, **filters} for one in runs.values()]

    def ask(path, **parameters):
        status, body = answer(
            path, parameters, lambda filters, *_: [{**one, **filters} for one in runs.values()], runs.get
        )
        return status, json.loads(body)

    assert ask(PATH, tool=["search"]) == (200, {"trajectories": [{"trajectory_id": "a:b", "tool": "search"}]})
    assert ask(f"{PATH}/a:b") == (200, {"trajectory_id": "a:b"})
    assert ask(f"{PATH}/c:d") == (404, {"error": "no trajectory c:d is known"})
    assert ask(PATH, limit=["-1"])[0] == 400
