"""What is fuzzed: for each target a function that takes any bytes and raises only where otelscore has a bug."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.dialects import Context, Registry
from otelscore.dialects.verdict_json import verdict_of_json
from otelscore.export import verdicts
from otelscore.ingest import otlp_json, otlp_protobuf
from otelscore.ingest.compression import decompress
from otelscore.ingest.decode import Decoder
from otelscore.ingest.records import Rejected, WantedKeys
from otelscore.model import AttributeValue, Origin, RawEvent, RawSpan, Reading, SenderError, Span, Verdict
from otelscore.scoring.score import score_trajectory
from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.life import Closed, Graces
from tests import reference

LIMIT = 1_000_000
REGISTRY = Registry(Context(key=bytes(16)))
DECODER = Decoder(REGISTRY, max_records=1000, max_attributes=1000)
KEYS = sorted(key for key in REGISTRY._keys if key.isprintable())
WORDS = ["tool", "chat", "execute_tool", "invoke_agent", "TOOL", "LLM", "AGENT", "CHAIN", "error", "", "true", "500"]
KINDS = ["execute_tool", "chat", "invoke_agent", "retrieval", "create_agent", "none"]


def _source() -> ModuleType:
    path = Path(otlp_protobuf.__file__).with_name("otlp_protobuf.py")
    spec = importlib.util.spec_from_file_location("interpreted_otlp_protobuf", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CORPUS = sorted((Path(__file__).parents[1] / "tests" / "corpus").rglob("*.binpb"), key=lambda path: path.stat().st_size)
REQUESTS = [path.read_bytes() for path in CORPUS[:40]]
JSON_SEEDS = [json_format.MessageToJson(ExportTraceServiceRequest.FromString(body)) for body in REQUESTS[:20]]
DEEP: AttributeValue = {"arrayValue": {"values": [{"stringValue": "x"}]}}
for _ in range(40):
    DEEP = {"arrayValue": {"values": [DEEP]}}
WRONG: list[AttributeValue] = [
    None, True, -1, 2**63, 1e300, "", "x", "\ud7ff", [], {}, [[]], {"a": 1}, "9" * 400, DEEP, "ff" * 16, "NaN", [None],
]  # fmt: skip


class _Everything:
    def wants(self, key: str) -> bool:
        return True


INTERPRETED = _source()
WANTED = WantedKeys(_Everything())  # type: ignore[arg-type]


def protobuf(data: bytes) -> None:
    """The decoder compiled, the same interpreted, and protobuf's own parser agree."""
    for name in ("spans", "logs"):
        compiled, interpreted = (_outcome(getattr(decoder, name), data) for decoder in (otlp_protobuf, INTERPRETED))
        assert compiled == interpreted
        try:
            expected = [repr(one) for one in getattr(reference, name)(data)]
        except DecodeError:
            continue  # a text of something that nobody reads may be the reason
        if expected:
            assert compiled == expected


def _outcome(decode: Callable[..., Iterable[object]], body: bytes) -> list[str] | str:
    """What is found as it is shown: as a value NaN is not equal to itself."""
    try:
        found = list(decode(body, WANTED, reference.ORIGINS))
    except SenderError as error:
        return str(error)
    return [repr(one.reason.partition(": ")[2] if isinstance(one, Rejected) else one) for one in found]


def json_body(data: bytes) -> None:
    """A good request of which each three bytes put something else in one place; then the input itself."""
    document: AttributeValue = json.loads(JSON_SEEDS[len(data) % len(JSON_SEEDS)])
    for at in range(0, len(data) - 2, 3):
        _spoil(document, random.Random(data[at : at + 2]), data[at + 2])
    for body in (json.dumps(document).encode(), data):
        for decode in (DECODER.traces_json, DECODER.logs_json, otlp_json.check_metrics):
            _tolerate(decode, body)


def _spoil(node: AttributeValue, dice: random.Random, what: int) -> None:
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not places or not isinstance(node, (dict, list)):
            return
        place: Any = dice.choice(places)
        inner = node[place]
        if not inner or not isinstance(inner, (dict, list)) or dice.random() < 0.2:
            break
        node = inner
    if what % 16 == 0:
        del node[place]
    elif what % 16 == 1 and isinstance(node, list):
        node.append(deepcopy(node[place]))
    else:
        node[place] = deepcopy(WRONG[what % len(WRONG)])


def request(data: bytes) -> None:
    """A whole protobuf request, packed or not, read by the dialects."""
    encoding = {b"\x1f\x8b": "gzip", b"\x78\x9c": "deflate"}.get(data[:2], "")
    try:
        body = decompress(data, encoding, LIMIT)
    except SenderError:
        return
    for decode in (DECODER.traces, DECODER.logs, DECODER.any_protobuf):
        _tolerate(decode, body)


def _tolerate(decode: Callable[[bytes], object], body: bytes) -> None:
    try:
        decode(body)
    except SenderError as error:
        str(error).encode()


def readings(data: bytes) -> None:
    """A span with any attributes of any dialect, whose values are parts of the input."""
    dice = random.Random(data[:4])
    parts = data[4:].split(b"\xff")
    values = [_value(part, dice) for part in parts]
    attributes = {KEYS[dice.randrange(len(KEYS))]: value for value in values}
    events = [RawEvent(dice.choice(["exception", "gen_ai.choice", "gen_ai.evaluation.result"]), 1, attributes)]
    span = RawSpan(
        b"t" * 16, b"s" * 8, b"", dice.choice([*KINDS, "x"]), 1, 0, 1, 2, dice.randrange(3), "", attributes, events, (),
        Origin(),
    )  # fmt: skip
    REGISTRY.read(span)


def _value(part: bytes, dice: random.Random) -> AttributeValue:
    text = part.decode(errors="replace")
    match dice.randrange(4):
        case 0:
            return dice.choice(WORDS)
        case 1:
            try:
                parsed: AttributeValue = orjson.loads(part)
            except orjson.JSONDecodeError:
                return text
            return parsed
        case 2:
            return json.dumps([{"role": "assistant", "parts": [{"type": "tool_call", "id": text, "name": text}]}])
        case _:
            return text


def builder(data: bytes) -> None:
    """Any tree, forest or circle of spans, eight bytes a span, in any order and with pauses, until all is final."""
    assembler = Assembler(Graces())
    now = 0.0
    for at in range(0, len(data) - 7, 8):
        own, parent, kind, name, start, length, flags, pause = data[at : at + 8]
        scope = "a" if kind & 64 else "b"
        origin = Origin("one" if flags & 4 else "two", scope)
        ids = bytes([own % 64] * 8), bytes([parent % 64] * 8) if parent < 250 else b""
        known = (0, 0x100, 0x300, 0x100)[flags % 4]
        end = 0 if length == 255 else start + length % 64
        span = Span(b"t" * 16, *ids, "n", 1, known, start, end, kind % 3, origin, _reading(kind, name), ())
        assembler.add([span], now)
        if pause > 200:
            now += pause - 200
            _close(assembler, now)
    for wait in (10.0, 130.0, 1000.0, 100_000.0):
        now += wait
        _close(assembler, now)
    assert assembler.open_spans == 0


@cache  # what reads is fuzzed by itself; here it took a third of the time
def _reading(kind: int, name: int) -> Reading:
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": KINDS[kind % len(KINDS)],
        "gen_ai.tool.name": f"t{name % 8}",
        "gen_ai.agent.name": f"a{name % 4}" if name & 16 else "",
        "gen_ai.tool.call.id": f"c{name % 3}" if name & 32 else "",
        "gen_ai.tool.call.arguments": f'{{"q": {name % 5}}}' if name & 64 else "",
    }
    if kind & 128:
        attributes["error.type"] = "TimeoutError"
    raw = RawSpan(
        b"t" * 16, b"s" * 8, b"", "n", 1, 0, 1, 2, kind % 3, "", attributes, [], (), Origin("one", "a")
    )  # fmt: skip
    return REGISTRY.read(raw)


def _close(assembler: Assembler, now: float) -> None:
    for event in assembler.tick(now):
        if isinstance(event, Closed):
            for trajectory in event.trajectories:
                score_trajectory(trajectory)


def verdict(data: bytes) -> None:
    """A request to the verdict API."""

    def hear(heard: Sequence[Verdict]) -> Sequence[str]:
        return ["recorded" for _ in heard]

    status, answer = verdicts.answer(data, lambda given: verdict_of_json(given, 1, 0.5, "e"), hear)
    assert status in (200, 400, 503)
    orjson.loads(answer)


SEEDS: dict[str, list[bytes]] = {
    "protobuf": REQUESTS,
    "request": [*REQUESTS, *map(gzip.compress, REQUESTS[:5]), *map(zlib.compress, REQUESTS[:5])],
    "verdict": [
        b'{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "verdict": "pass", "time": "2026-01-31T12:00:00Z"}',
        b'[{"session_id": "s", "score": 0.5}, {"trajectory_id": "4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7"}]',
        b'{"verdicts": [{"verdict": true, "evaluator": "e", "trace_id": 1}]}',
    ],
}
"""Good inputs to begin with."""

LONGEST = {"builder": 512}
"""Bytes of an input, where fewer than usual say all there is to say: the builder's spans have 64 ids."""

TARGETS: dict[str, Callable[[bytes], None]] = {
    "protobuf": protobuf,
    "json": json_body,
    "request": request,
    "readings": readings,
    "builder": builder,
    "verdict": verdict,
}
