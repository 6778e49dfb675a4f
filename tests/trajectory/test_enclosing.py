from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otelscore.trajectory.enclosing import Enclosing

times = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(st.lists(times, max_size=8), times)
def test_a_time_is_found_in_the_one_that_holds_it(many, time):
    start, end = time
    holding = [at for at, (begins, ends) in enumerate(many) if begins <= start and end <= ends]
    assert Enclosing(many).only(start, end) == (holding[0] if len(holding) == 1 else None)
