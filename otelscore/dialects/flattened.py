"""Messages that were flattened into attributes, one a field: `gen_ai.completion.0.tool_calls.1.name`.

Sources: OpenTelemetry GenAI before 1.27; OpenLLMetry until 2026 (`gen_ai.prompt.*` and `gen_ai.completion.*`, until
2024 `llm.prompts.*` and `llm.completions.*`).
"""

from __future__ import annotations

from otelscore.dialects.content import parse
from otelscore.model import Attributes, AttributeValue

_CALLS = "tool_calls."
TOLD = ("content", "tool_call_id", "id", "name", "arguments")
"""How the fields end of a message that tells a model a result, and of the one before that asks for it."""

_UNSAID = frozenset({"thinking", "reasoning"})
"""Roles of what a model said to itself."""


def answer(attributes: Attributes, prefix: str) -> AttributeValue:
    """What a model said, as one chat message, or None where none of it was captured.

    `prefix` is what its fields begin with, up to the number of a part of the answer: of a choice, a block, an item.
    """
    parts = _by_number(attributes, prefix)
    contents: list[AttributeValue] = [
        _content(parts[number]) for number in sorted(parts) if parts[number].get("role") not in _UNSAID
    ]
    said: list[AttributeValue] = [content for content in contents if content]
    calls: list[AttributeValue] = [call for number in sorted(parts) for call in _calls(parts[number])]
    captured = calls or any(_content(part) for part in parts.values())
    return {"role": "assistant", "content": said, "tool_calls": calls} if captured else None


def told(attributes: Attributes, prefix: str) -> AttributeValue:
    """The results at the end of the messages that a model was given, behind what it had asked for, as messages.

    None where there are none. `prefix` is what the fields of a message begin with, up to its number.
    """
    messages = _by_number(attributes, prefix)
    found: list[AttributeValue] = []  # the last first
    number = max(messages, default=0)
    while message := messages.get(number):
        content = _content(message)
        if "tool_call_id" in message:
            found.append({"role": "tool", "tool_call_id": message["tool_call_id"], "content": content})
        elif isinstance(content, list) and '"tool_result"' in str(message["content"]):  # Anthropic
            found.append({"role": "user", "content": content})
        else:
            break
        number -= 1
    return [{"role": "assistant", "tool_calls": _calls(message or {})}, *found[::-1]] if found else None


def _by_number(attributes: Attributes, prefix: str) -> dict[int, dict[str, AttributeValue]]:
    """The fields by their number and their name behind it."""
    found: dict[int, dict[str, AttributeValue]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, name = key[len(prefix) :].partition(".")
            if _is_index(number):
                found.setdefault(int(number), {})[name] = value
    return found


def _calls(fields: dict[str, AttributeValue]) -> list[AttributeValue]:
    calls: dict[int, dict[str, AttributeValue]] = {}
    for key, value in fields.items():
        if key.startswith(_CALLS):
            number, _, name = key.removeprefix(_CALLS).partition(".")
            if _is_index(number):
                calls.setdefault(int(number), {"type": "tool_call"})[name] = value
    return [calls[number] for number in sorted(calls)]


def _content(fields: dict[str, AttributeValue]) -> AttributeValue:
    """A message's text, or its parts where it is the JSON of a list of them: Anthropic, Bedrock, LangChain."""
    value = fields.get("content")
    return parse(value) if isinstance(value, str) and value[:2] == "[{" and '"type"' in value else value


def _is_index(number: str) -> bool:
    return number.isdecimal() and len(number) < 6
