"""Content reduced to facts: JSON, hashes of arguments and messages, and what an answer admits.

Everything here takes attribute values as they came (text, JSON text, lists, dicts), gives facts, and raises on none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

import orjson

from otelscore.dialects.patterns import ACKNOWLEDGEMENTS
from otelscore.model import AttributeValue

REDACTED = frozenset({"", "__REDACTED__", "<REDACTED>", "[REDACTED]", "REDACTED", "<not specified>"})
"""What instrumentations write in place of a value that they hide or do not have."""

_HIDDEN = re.compile(
    r'"?(?:\*{3,}|[\[<(_*]+ ?(?:redacted|filtered|masked|hidden|scrubbed|omitted|removed)\b'
    r'[^\[\]<>"]{0,40}[\])>_*]+)"?',
    re.IGNORECASE,
)
"""Likewise, as content filters write it: `[redacted]`, `"<masked>"`, `[Scrubbed due to 'password']`, `***`."""

_MAX_STAND_IN = 64
"""Characters that what stands in place of a value has at most."""

MAX_DEPTH = 8
"""Levels of wrappers inside wrappers that are looked through."""

MAX_TEXT = 20_000
"""Characters of one text that are searched."""

MAX_WORD = 256
"""Characters of a name or an id that are kept."""


def parse(value: AttributeValue) -> AttributeValue:
    """The value that JSON text stands for, unquoted up to twice; any other value as it is."""
    for _ in range(2):
        if not isinstance(value, str):
            return value
        text = value.strip()
        if text[:1] not in ("{", "[", '"'):
            return value
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return value
    return value


def hidden(value: AttributeValue) -> bool:
    """Whether a value was not captured, or something else stands in its place."""
    if not isinstance(value, str):
        return value is None
    if len(value) > _MAX_STAND_IN:
        return False
    text = value.strip()
    return text in REDACTED or (text[0] in '"[<(_*' and _HIDDEN.fullmatch(text) is not None)


def word(value: AttributeValue) -> str:
    """A name or an id, without JSON's quotes and cut to `MAX_WORD` characters; "" where it is hidden or not text."""
    if not isinstance(value, str) or value in REDACTED:
        return ""
    if value[0] == '"' and value[-1] == '"':
        value = value[1:-1]
    return value if len(value) <= MAX_WORD else value[:MAX_WORD]


def type_of(value: dict[str, AttributeValue]) -> str:
    """The `type` with which message and content formats tell their objects apart; "" where it has none."""
    given = value.get("type")
    return given if isinstance(given, str) else ""


@lru_cache(maxsize=8)
def _hasher(key: bytes) -> blake2b:
    """One that has begun with the key, to be copied: half the price of a new one."""
    return blake2b(digest_size=8, key=key)


def _hash(said: bytes, key: bytes) -> bytes:
    hasher = _hasher(key).copy()
    hasher.update(said)
    return hasher.digest()


def digest(value: AttributeValue, key: bytes) -> bytes | None:
    """Keyed hash (8 bytes) of arguments as the model gave them; None where they were not captured.

    Equal JSON gives equal hashes whatever its spacing and order of keys.
    """
    if hidden(value):
        return None
    parsed = parse(value)
    if isinstance(parsed, dict) and parsed.keys() == {"args", "kwargs"}:
        parsed = parsed["kwargs"] if not parsed["args"] else [parsed["args"], parsed["kwargs"]]
    try:
        canonical = orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=repr)
    except orjson.JSONEncodeError:  # nested too deep, or numbers and characters that JSON has not
        canonical = (value if isinstance(value, str) else repr(value)).encode("utf-8", "replace")
    return _hash(canonical, key)


def text_digest(text: str, key: bytes) -> bytes:
    """Keyed hash (8 bytes) of an error message."""
    return _hash(text.strip().encode("utf-8", "replace"), key)


def acknowledges(text: str) -> bool:
    """Whether an answer says that something could not be done; every `n't` is read as `not`."""
    plain = text[:MAX_TEXT].lower().replace("\u2019", "'").replace("\n", " ")
    if "'" in plain:
        plain = plain.replace("n't", " not")
    for core, phrases in ACKNOWLEDGEMENTS.items():
        if core in plain and any(phrase in plain for phrase in phrases):
            return True
    return False
