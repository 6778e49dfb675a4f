"""OTLP/JSON requests written by hand."""

from __future__ import annotations

import json
from typing import Any

SECOND = 1_000_000_000


def span(trace: int, number: int, start: int, end: int, **attributes: Any) -> str:
    """One request of one span; number 1 is the root."""
    said = [
        {"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in attributes.items() if value
    ]
    written = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{1:016x}" if number > 1 else "",
        "name": "span",
        "startTimeUnixNano": str(start * SECOND),
        "endTimeUnixNano": str(end * SECOND),
        "status": {"code": 2 if attributes.get("error__type") else 0},
        "attributes": said,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [written]}]}]})
