"""`POST /api/v1/verdicts`: what a request says about runs, and the answer as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from otelscore.model import OverloadedError, SenderError, Verdict

PATH = "/api/v1/verdicts"

MAX_BODY = 4 * 2**20
"""Bytes of a request."""

MAX_VERDICTS = 10_000
"""Of one request."""

Read = Callable[[object], Verdict]
"""The verdict that parsed JSON states. Raises SenderError."""

Hear = Callable[[Sequence[Verdict]], Sequence[str]]
"""Stores verdicts and takes them in; gives what became of each. Raises OverloadedError where it cannot."""

Judge = Callable[[bytes], tuple[int, bytes]]
"""HTTP status and JSON body for the body of a request."""


def answer(body: bytes, read: Read, hear: Hear) -> tuple[int, bytes]:
    """HTTP status and JSON body: what became of each verdict, in the order of the request.

    Those that can be read are taken whatever the others are; where none can, the status is 400.
    """
    try:
        given = _verdicts_in(body)
    except SenderError as error:
        return 400, as_error(str(error))
    told: list[dict[str, str]] = [{} for _ in given]
    verdicts: dict[int, Verdict] = {}
    for i, one in enumerate(given):
        try:
            verdicts[i] = read(one)
        except SenderError as error:
            told[i] = {"status": "rejected", "error": f"verdicts[{i}]: {error}"}
    if given and not verdicts:
        return 400, orjson.dumps({"error": told[0]["error"], "verdicts": told})
    try:
        heard = hear(list(verdicts.values())) if verdicts else ()
    except OverloadedError as error:
        return 503, as_error(str(error))
    for i, status in zip(verdicts, heard, strict=True):
        told[i] = {"status": status}
    return 200, orjson.dumps({"verdicts": told})


def as_error(message: str) -> bytes:
    return orjson.dumps({"error": message})


def _verdicts_in(body: bytes) -> list[object]:
    """One verdict, a list of them, or an object with that list as `verdicts`."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SenderError(f"the body is no JSON: {error}") from None
    if isinstance(given, dict):
        given = given.get("verdicts", [given])
    if not isinstance(given, list):
        raise SenderError('expected a verdict, a list of them, or {"verdicts": [...]}')
    if len(given) > MAX_VERDICTS:
        raise SenderError(f"{len(given)} verdicts are too many; send up to {MAX_VERDICTS} at a time")
    return given
