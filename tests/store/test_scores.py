"""A score shows after its bytes what it showed before."""

from __future__ import annotations

from typing import Any, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from otelscore.model import ErrorClass, Kind, Outcome, Response, Score, Step, StepStatus
from otelscore.store.scores import decode_score, encode_score

TIMES = st.integers(0, 2**63 - 1)
RATES = st.none() | st.floats(0, 1)
OF_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=5),
    bytes: st.binary(max_size=8),
    bytes | None: st.none(),
    int: TIMES,
    int | None: st.none() | st.integers(0, 9),
    float: st.floats(0, 1e9),
    float | None: RATES,
    bool: st.booleans(),
    bool | None: st.sampled_from([True, False, None]),
    Kind: st.sampled_from(Kind),
    StepStatus: st.sampled_from(StepStatus),
    ErrorClass | None: st.none() | st.sampled_from(ErrorClass),
    Response | None: st.none() | st.sampled_from(Response),
    Outcome | None: st.none() | st.sampled_from(Outcome),
}


def any_of(made: type, **special: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = {name: OF_TYPE[hint] for name, hint in get_type_hints(made).items() if name not in special}
    return st.builds(made, **fields, **special)


@given(any_of(Score, started_at=st.integers(0, 2**61), steps=st.lists(any_of(Step), max_size=3).map(tuple)))
def test_a_score_shows_what_it_showed(score: Score) -> None:
    again = decode_score(encode_score(score))
    assert again.as_dict() == score.as_dict()
    assert type(again.outcome) is type(score.outcome)
    for step, same in zip(score.steps, again.steps, strict=True):
        assert [type(value) for value in same.as_dict().values()] == [type(value) for value in step.as_dict().values()]
