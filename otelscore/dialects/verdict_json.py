"""A verdict as a JSON object, as `POST /api/v1/verdicts` and `otelscore score --verdicts` take it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from otelscore.dialects.content import MAX_WORD
from otelscore.dialects.evaluation import passes
from otelscore.model import SenderError, Verdict

_MAX_TIME = 2**63 - 1  # the year 2262, and what a signed 64-bit column can hold


def verdict_of_json(given: object, now: int, threshold: float, evaluator: str) -> Verdict:
    """The verdict that a JSON object states; `evaluator` and `now` (Unix nanoseconds) stand in for what it leaves out.

    Keys: `verdict` (a label or a boolean) or `score` (a number); `trajectory_id`, or `trace_id` and perhaps `span_id`,
    or `session_id`; `evaluator`; `time` (RFC 3339). Any other is not looked at.

    Raises:
        SenderError: it says about nothing, or nothing, or in a form that nobody can read.
    """
    if not isinstance(given, dict):
        raise SenderError("a verdict is a JSON object")
    passed = passes(given.get("verdict"), given.get("score"), threshold)
    if passed is None:
        raise SenderError("verdict: expected pass or fail, true or false, or a number as score")
    trace, _, span = str(given.get("trajectory_id") or "").partition(":")
    trace, span = trace or given.get("trace_id") or "", span or given.get("span_id") or ""
    session = given.get("session_id") or ""
    if bool(trace) == bool(session) or (span and not trace) or not isinstance(session, str):
        raise SenderError("a verdict is about a trajectory_id, a trace_id (with or without span_id) or a session_id")
    named = given.get("evaluator") or evaluator
    if not isinstance(named, str):
        raise SenderError(f"evaluator: expected a name, got {named!r:.100}")
    return Verdict(
        evaluator=named[:MAX_WORD],
        passed=passed,
        time=_nanoseconds(given["time"]) if given.get("time") else now,
        trace_id=_id("trace id", trace, 16) if trace else b"",
        span_id=_id("span id", span, 8) if span else b"",
        session=session[:MAX_WORD],
    )


def _id(name: str, text: object, size: int) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(rf"(?!0+$)[0-9a-fA-F]{{{2 * size}}}", text):
        raise SenderError(f"{name}: expected {2 * size} hexadecimal digits, not all 0, got {text!r:.100}")
    return bytes.fromhex(text)


def _nanoseconds(text: object) -> int:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise SenderError(f"time: expected RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z, got {text!r:.100}")
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    nanoseconds = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    if not 0 <= nanoseconds <= _MAX_TIME:
        raise SenderError(f"time: expected a year from 1970 to 2262, got {text!r:.100}")
    return nanoseconds
