"""What is in the store and not in a column: whoever changes it raises the schema, and this test with it."""

from __future__ import annotations

from otelscore.model import Score
from otelscore.scoring.rows import Row
from otelscore.store.database import SCHEMA
from otelscore.trajectory.life import Standing
from otelscore.trajectory.memory import Learnt

WRITTEN = {
    4: {
        "row": "labels outcome hard_failure verdict errors silent steps failed first_failed first_unrecovered responses"
        " sane resolutions recovered tools cluster faults",
        "score": "trajectory_id trace_id service agent model started_at duration_seconds outcome task_passed"
        " trajectory_length tool_errors tool_error_rate recovery_rate resolution_rate hard_failure silent_failure"
        " implied_step_success_rate steps",
        "standing": "trace_id span_ids united missing closed first_closed check_at trajectory_ids lone_model_calls",
        "learnt": "until trace_id service start end span_ids",
    }
}
"""Schema -> what is written without the names of its fields, and these in their order."""


def test_the_fields_that_are_written_go_with_the_schema() -> None:
    assert {
        "row": " ".join(Row._fields),
        "score": " ".join(Score.__slots__),
        "standing": " ".join(Standing._fields),
        "learnt": " ".join(Learnt._fields),
    } == WRITTEN[SCHEMA]
