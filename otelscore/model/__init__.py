"""The vocabulary that every room shares; DESIGN.md gives the words their meaning.

The way of the data, in types: a `RawSpan` is one OTLP span as it came and lives only while it is read. Reading
reduces it to a `Reading`, and what is kept is a `Span`: ids, times and that reading, never content. A run's spans
become a `Trajectory` of `Step`s, and `Score` is what one trajectory amounts to.

Times of telemetry (`start`, `end`, `time`) are Unix nanoseconds, as on the wire. Times of arrival (`now`, `closed`)
are Unix seconds of the caller's clock. Ids are the raw bytes of the wire: 16 for a trace, 8 for a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from otelscore.model.errors import (
    OverloadedError,
    SenderError,
    UnauthenticatedError,
)
from otelscore.model.raw import (
    CONSUMER,
    ERROR,
    OK,
    SERVER,
    UNSET,
    Attributes,
    AttributeValue,
    Origin,
    RawEvent,
    RawLog,
    RawSpan,
)
from otelscore.model.reading import (
    OTHER,
    Call,
    Failure,
    Reading,
    Result,
    SpanFacts,
    Unusable,
    Verdict,
)
from otelscore.model.run import (
    Score,
    Step,
    Trajectory,
)
from otelscore.model.span import (
    Batch,
    Reader,
    Span,
)
from otelscore.model.words import (
    AGENT,
    BOOKKEEPING,
    DELEGATION,
    FINAL_ANSWER,
    HANDOFF,
    LOOP,
    MODEL,
    ORDINARY,
    PART,
    RETRIEVAL,
    SKIPPED,
    TOOL,
    WRAPPER,
    ErrorClass,
    Kind,
    Outcome,
    Response,
    Role,
    StepStatus,
)

SCORING_VERSION = 1
"""Rises whenever the same spans give other figures; CHANGELOG.md says which."""

OWN_SCOPE = "otelscore"
"""Scope of otelscore's own telemetry, which is never scored and never a verdict."""

INSTANCE_HEADER = "otelscore-instance"
"""What a process sends to other backends says by this header from whom it is, so that it knows it if it comes back."""

DOCTOR_SERVICE = "otelscore-doctor"
"""The `service.name` of the test runs of `otelscore doctor`: counted as such, and in no figure about runs."""

Authenticate = Callable[[Iterable[tuple[str, str]]], str]
"""The headers of a request, their names in lower case -> whose it is, "" where nobody is asked.

Raises UnauthenticatedError.
"""

Clock = Callable[[], float]
"""Unix seconds that only rise."""

__all__ = [
    "AGENT",
    "BOOKKEEPING",
    "CONSUMER",
    "DELEGATION",
    "DOCTOR_SERVICE",
    "ERROR",
    "FINAL_ANSWER",
    "HANDOFF",
    "INSTANCE_HEADER",
    "LOOP",
    "MODEL",
    "OK",
    "ORDINARY",
    "OTHER",
    "OWN_SCOPE",
    "PART",
    "RETRIEVAL",
    "SCORING_VERSION",
    "SERVER",
    "SKIPPED",
    "TOOL",
    "UNSET",
    "WRAPPER",
    "AttributeValue",
    "Attributes",
    "Authenticate",
    "Batch",
    "Call",
    "Clock",
    "ErrorClass",
    "Failure",
    "Kind",
    "Origin",
    "Outcome",
    "OverloadedError",
    "RawEvent",
    "RawLog",
    "RawSpan",
    "Reader",
    "Reading",
    "Response",
    "Result",
    "Role",
    "Score",
    "SenderError",
    "Span",
    "SpanFacts",
    "Step",
    "StepStatus",
    "Trajectory",
    "UnauthenticatedError",
    "Unusable",
    "Verdict",
]
