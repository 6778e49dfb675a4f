"""Log records about spans: what instrumentations say there and no longer, or not yet, on the span.

A record counts for the span whose id it carries. It may come before the span, so nothing is known of that: whatever the
record could mean for a tool, a model or an agent is read. One record tells a message, or all messages of a call.

Sources: OpenTelemetry semantic conventions, events up to 1.36 (gen_ai.tool.message, gen_ai.choice, ...), from 1.37
(gen_ai.client.inference.operation.details) and exceptions in logs; Bedrock AgentCore's conversations (ADOT moves what
Strands, OpenInference and OpenLLMetry write into the bodies of records named like their scope); Claude Code, whose
spans do not show what its models say.
"""

from __future__ import annotations

from otelscore.dialects import content
from otelscore.dialects.failure import classify
from otelscore.dialects.messages import asked_in, said
from otelscore.dialects.results import results
from otelscore.dialects.soft_errors import soft_error
from otelscore.dialects.table import Context
from otelscore.model import AttributeValue, Call, Failure, RawLog, Result, SpanFacts

_TOLD = {"gen_ai.tool.message": "tool", "gen_ai.user.message": "user"}
_SAID = "gen_ai.choice"
_DETAILS = "gen_ai.client.inference.operation.details"
_CLAUDE_CODE = "claude_code.assistant_response"

LOG_KEYS = frozenset(
    {"exception.type", "exception.message", "gen_ai.input.messages", "gen_ai.output.messages", "response"}
)
"""Attributes of log records that are read."""


def facts_of(log: RawLog, context: Context) -> SpanFacts | None:
    """What a record says about its span, or None where it names none or says nothing that counts."""
    if not (log.trace_id and log.span_id):
        return None
    if log.event_name.endswith("exception") or "exception.type" in log.attributes:
        return _exception(log, context)
    if log.body == _CLAUDE_CODE:
        return _messages(log, context, None, log.attributes.get("response"))
    body = content.parse(log.body)
    if log.event_name in _TOLD and isinstance(body, dict):
        message = body.get("content")  # Gemini has a whole message there
        message = message if isinstance(message, dict) and "parts" in message else body
        told = results([{"role": _TOLD[log.event_name], **message}], context.key, context.soft_errors)
        return SpanFacts(log.trace_id, log.span_id, results=told) if told else None
    if log.event_name == _SAID:
        return _messages(log, context, None, body)
    if log.event_name == _DETAILS:
        given, output = (log.attributes.get(f"gen_ai.{way}.messages") for way in ("input", "output"))
        return _messages(log, context, given, output)
    if isinstance(body, dict):
        given, output = (_conversation(body.get(way)) for way in ("input", "output"))
        return _messages(log, context, given, output)
    return None


def _exception(log: RawLog, context: Context) -> SpanFacts:
    message = str(log.attributes.get("exception.message") or "")
    named, error_class = classify((str(log.attributes.get("exception.type") or ""),), (message,))
    messages = frozenset({content.text_digest(message, context.key)} if message else ())
    return SpanFacts(log.trace_id, log.span_id, Failure(named, error_class, exception=True, messages=messages))


def _messages(log: RawLog, context: Context, given: AttributeValue, output: AttributeValue) -> SpanFacts | None:
    spoken = said(output, context.key)
    facts = SpanFacts(
        log.trace_id,
        log.span_id,
        arguments=content.digest(_arguments(given), context.key),
        result=_result(output, context),
        requested=spoken.calls,
        results=results(given, context.key, context.soft_errors),
        acknowledges=content.acknowledges(spoken.text) if spoken.text else None,
        said_at=log.time if spoken.text else 0,
    )
    return None if facts == SpanFacts(log.trace_id, log.span_id) else facts


def _arguments(given: AttributeValue) -> AttributeValue:
    """What a tool was given: the call that the last message asks for, or that message's content."""
    last = _last(given)
    calls = asked_in(last) if last is not None else []
    return calls[-1].arguments if calls else (last or {}).get("content")


def _result(output: AttributeValue, context: Context) -> Result | None:
    """What a tool gave back: the last message, whatever is wrapped around it."""
    last = _last(output)
    if last is None:
        return None
    value = last.get("message", last.get("content", last.get("parts")))
    if content.hidden(value):
        return None
    found = soft_error(value, extra=context.soft_errors)
    if found is None:
        return Result(Call(""))
    return Result(Call(""), found.flag, found.rule, Failure(*classify((), (found.text,))))


def _last(messages: AttributeValue) -> dict[str, AttributeValue] | None:
    value = content.parse(messages)
    if isinstance(value, list):
        value = value[-1] if value else None
    return value if isinstance(value, dict) else None


def _conversation(value: AttributeValue) -> AttributeValue:
    """The messages of one direction in an AgentCore record: `{"messages": [{"role", "content"}]}`.

    The content is that of an attribute, or a mapping with the attributes of a span event, often written as JSON.
    """
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list):
        return None
    return [_unwrapped(message) if isinstance(message, dict) else message for message in messages]


def _unwrapped(message: dict[str, AttributeValue]) -> AttributeValue:
    inner = content.parse(message.get("content"))
    if isinstance(inner, dict) and not {"message", "content"}.isdisjoint(inner):
        inner = {**inner, "content": content.parse(inner.get("message", inner.get("content")))}
        inner.pop("message", None)
        return {**message, **inner, "role": message.get("role")}
    return {**message, "content": inner}
