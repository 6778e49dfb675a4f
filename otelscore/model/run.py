"""A run: its steps, the trajectory that they are, and the score that it amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from otelscore.model.raw import Origin
from otelscore.model.reading import Verdict
from otelscore.model.words import FAILED, ErrorClass, Kind, Outcome, Response, StepStatus


@dataclass(slots=True)
class Step:
    """One action of an agent."""

    index: int | None  # None: skipped
    kind: Kind
    name: str
    agent: str
    start: int
    end: int
    span_id: bytes
    scope: str
    status: StepStatus = StepStatus.OK
    error_class: ErrorClass | None = None
    error_type: str = ""
    soft_error: str = ""
    response: Response | None = None
    answered_by: int | None = None  # the index of the step that shows the response; None: none, or not a step
    recovered: bool | None = None  # None where the step did not fail, or nobody can know
    call_id: str = ""
    arguments: bytes | None = None
    again: bool = False  # the same call after it had failed
    fault: str = ""  # the kind of fault that was injected into this call
    fault_noticed: bool | None = None  # what the user's own check says of it

    @property
    def failed(self) -> bool:
        return self.status in FAILED

    @property
    def duration_seconds(self) -> float:
        """0 where the sender's clock ran backwards."""
        return max(self.end - self.start, 0) / 1e9

    def as_dict(self) -> dict[str, object]:
        """The step as JSON wants it, under DESIGN.md's keys, in its order."""
        return {
            "index": self.index,
            "kind": self.kind,
            "name": self.name,
            "agent": self.agent,
            "status": self.status,
            "error_class": self.error_class,
            "error_type": self.error_type or None,
            "soft_error": self.soft_error or None,
            "response": self.response,
            "sane": self.response.sane if self.response else None,
            "recovered": self.recovered,
            "duration_seconds": self.duration_seconds,
            "span_id": self.span_id.hex(),
            "fault": self.fault or None,
        }


@dataclass(slots=True)
class Trajectory:
    """One agent run in one service: its steps in order and how it ended."""

    trace_id: bytes
    top_span_id: bytes
    origin: Origin
    agent: str
    model: str
    session: str
    start: int
    end: int
    steps: tuple[Step, ...]
    outcome: Outcome | None  # None: tool calls alone, nobody can say (DESIGN.md, Steps 10)
    hard_failure: bool
    verdict: Verdict | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  # what the user made labels, of agent span and resource
    cluster: str = ""
    fault: str = ""  # the first injected fault; such a run stays out of every production figure
    acknowledged: bool = (
        False  # its answer says that something could not be done; known of runs with a failure or fault
    )
    because: str = ""  # what the outcome was seen by; for people
    targets: frozenset[bytes] = frozenset()  # ids of the spans at which a verdict about the run may be aimed
    trajectory_id: str = field(init=False)  # made once: what is kept of a million runs shares it

    def __post_init__(self) -> None:
        self.trajectory_id = f"{self.trace_id.hex()}:{self.top_span_id.hex()}"

    @property
    def duration_seconds(self) -> float:
        """0 where the sender's clock ran backwards."""
        return max(self.end - self.start, 0) / 1e9


@dataclass(frozen=True, slots=True)
class Score:
    """What one trajectory amounts to. Source of the keys: DESIGN.md, "One trajectory's score".

    Rates are shares in 0..1, and None where there is nothing to take a share of.
    """

    trajectory_id: str
    trace_id: str  # hex
    service: str
    agent: str
    model: str
    started_at: int  # Unix nanoseconds; as_dict() makes it RFC 3339
    duration_seconds: float
    outcome: Outcome | None
    task_passed: bool | None  # the verdict; None: unknown
    trajectory_length: int  # all steps, skipped ones aside
    tool_errors: int  # failed steps of any kind
    tool_error_rate: float | None
    recovery_rate: float | None
    resolution_rate: float | None
    hard_failure: bool
    silent_failure: bool | None  # None where the verdict is unknown
    implied_step_success_rate: float | None
    steps: tuple[Step, ...]

    def as_dict(self) -> dict[str, object]:
        """The score as JSON wants it: plain values under DESIGN.md's keys, in its order."""
        seconds, nanoseconds = divmod(self.started_at, 1_000_000_000)
        started = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
        shown = {name: getattr(self, name) for name in self.__slots__}
        return shown | {
            "started_at": f"{started:%Y-%m-%dT%H:%M:%S.%f}Z",
            "steps": [step.as_dict() for step in self.steps],
        }
