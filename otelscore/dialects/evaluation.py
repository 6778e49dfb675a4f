"""Evaluations: what somebody outside says about a run, as a `Verdict`.

Source: OpenTelemetry GenAI semantic conventions 1.38 and later, event `gen_ai.evaluation.result`.
"""

from __future__ import annotations

from math import isfinite

from otelscore.dialects.patterns import VERDICT_LABELS
from otelscore.model import Attributes, AttributeValue, Verdict

EVALUATION_EVENT = "gen_ai.evaluation.result"

EVALUATION_KEYS = frozenset(
    {
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.response.id",
        "session.id",
    }
)
"""Attributes that are read; the explanation is content and is not."""


def verdict_of(attributes: Attributes, time: int, trace_id: bytes, span_id: bytes, threshold: float) -> Verdict | None:
    """The verdict of one evaluation, or None where neither its label nor its score can be read.

    The label counts where it is a known word, else the score, which passes from `threshold` on.
    """
    label = attributes.get("gen_ai.evaluation.score.label")
    passed = VERDICT_LABELS.get(str(label).strip().lower()) if label is not None else None
    if passed is None:
        score = _number(attributes.get("gen_ai.evaluation.score.value"))
        passed = None if score is None else score >= threshold
    if passed is None:
        return None
    if not trace_id:
        trace_id = _trace_id(attributes.get("gen_ai.response.id"))
    session = attributes.get("session.id")
    return Verdict(
        evaluator=str(attributes.get("gen_ai.evaluation.name") or "")[:256],
        passed=passed,
        time=time,
        trace_id=trace_id,
        span_id=span_id,
        session=session[:256] if isinstance(session, str) else "",
    )


def _number(value: AttributeValue) -> float | None:
    if not isinstance(value, (int, float, str)):  # a bool is a score of 0 or 1
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if isfinite(score) else None


def _trace_id(value: AttributeValue) -> bytes:
    """AgentCore's evaluations carry the trace id as `gen_ai.response.id`."""
    if isinstance(value, str) and len(value) == 32:
        try:
            return bytes.fromhex(value)
        except ValueError:
            return b""
    return b""
