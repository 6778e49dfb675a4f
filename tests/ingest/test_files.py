from __future__ import annotations

import gzip
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.ingest import files
from otelscore.ingest.decode import Decoder
from otelscore.ingest.files import Decoded, Item, Skipped, Source, Unreadable, find_sources, read_requests

Make = Callable[..., ExportTraceServiceRequest]
Read = Callable[..., list[Item]]


def document(*names: str) -> dict[str, object]:
    spans = [{"traceId": "01" * 16, "spanId": "02" * 8, "name": name} for name in names]
    return {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}


def line(*names: str) -> bytes:
    return json.dumps(document(*names), separators=(",", ":")).encode() + b"\n"


def names(items: list[Item]) -> list[str]:
    return [span.name for item in items if isinstance(item, Decoded) for span in item.batch.spans]


def problems(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.where, item.reason) for item in items if isinstance(item, Unreadable)]


@pytest.fixture
def read(decoder: Decoder) -> Read:
    return lambda *paths: list(read_requests(find_sources(str(path) for path in paths), decoder))


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def put(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["r.binpb", "r.pb", "r.PB", "request"])
def test_protobuf_requests(read: Read, put, request_of: Make, pack, name: str) -> None:
    ending = ".gz" if pack is gzip.compress else ""
    items = read(put(name + ending, pack(request_of({"name": "a"}, {"name": "b"}).SerializeToString())))
    assert names(items) == ["a", "b"]
    assert problems(items) == []


def test_a_protobuf_file_may_hold_logs(read: Read, put) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1, event_name="x")
    (item,) = read(put("logs.binpb", request.SerializeToString()))
    assert isinstance(item, Decoded)
    assert item.batch.records == 1


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.ndjson", "t.txt"])
@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n"])
def test_json_lines(read: Read, put, pack, name: str, blank: bytes) -> None:
    logs = b'{"resourceLogs":[]}\n'
    metrics = b'{"resourceMetrics":[{}]}\n'
    items = read(put(name, pack(line("a") + blank + logs + metrics + line("b", "c").strip())))
    assert names(items) == ["a", "b", "c"]
    assert problems(items) == []
    assert len(items) == 4


@given(
    st.lists(st.tuples(st.text(max_size=5), st.sampled_from([None, 0, 1, "\t"]), st.sampled_from(["", "\n", " \n\n"]))),
    st.booleans(),
)
def test_documents_may_be_laid_out_in_any_way(
    tmp_path_factory: pytest.TempPathFactory, make_recorder, layout, ascii_only: bool
) -> None:
    written = "".join(
        json.dumps(document(name), indent=indent, ensure_ascii=ascii_only) + gap for name, indent, gap in layout
    )
    path = tmp_path_factory.mktemp("layout") / "t.json"
    path.write_text(written, encoding="utf-8")
    items = list(read_requests(find_sources([str(path)]), Decoder(make_recorder())))
    assert problems(items) == []
    assert names(items) == [name for name, _, _ in layout]


def test_bad_lines_are_told_and_the_rest_is_read(read: Read, put) -> None:
    broken = line("x")[:40] + b"\n"
    items = read(put("t.jsonl", line("a") + broken + line("b") + b'{"truth": 1}\n' + b"{}}\n" + line("c")))
    assert names(items) == ["a", "b", "c"]
    where, reasons = zip(*problems(items), strict=True)
    assert where == ("line 2", "line 4", "line 5")
    assert reasons[0].startswith("not JSON")
    assert reasons[1] == "neither resourceSpans nor resourceLogs in the document"


def test_a_document_that_breaks_off_does_not_swallow_the_next(read: Read, put) -> None:
    pretty = json.dumps(document("x"), indent=1).encode()[:60] + b"\n"
    items = read(put("t.json", line("a") + pretty + line("b") + pretty))
    assert names(items) == ["a", "b"]
    second = 3 + pretty.count(b"\n")
    assert problems(items) == [("line 2", "the document is cut off"), (f"line {second}", "the document is cut off")]


def test_a_bracket_too_many_spoils_nothing_after_it(read: Read, put) -> None:
    items = read(put("t.json", line("a") + b"]}\n" + json.dumps(document("b"), indent=1).encode()))
    assert names(items) == ["a", "b"]
    assert [where for where, _ in problems(items)] == ["line 2", "line 2"]


def test_a_bad_envelope_is_told_once(read: Read, put) -> None:
    assert problems(read(put("t.json", b'{"resourceSpans": 1}\n' + line("a")))) == [
        ("line 1", "resourceSpans is a number, want a list")
    ]


def test_spans_that_are_bad_are_in_the_batch(read: Read, put) -> None:
    (item,) = read(put("t.json", b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}'))
    assert isinstance(item, Decoded)
    assert item.batch.rejected == 1


def test_a_folder_is_read_in_order_and_only_what_may_be_otlp(read: Read, put, tmp_path: Path) -> None:
    put("c/d.json", line("fourth"))
    put("b/2.jsonl.gz", gzip.compress(line("third")))
    put("b/1.json", line("second"))
    put("a.binpb", b"")
    put("a.json", line("first"))
    put("README.md", b"# no OTLP")
    put("truth.json", b'{"runs": [1]}')
    put("list.json", b"[1, 2]")
    put("truth.jsonl", b'{"run": 1}\n{"run": 2}\n')
    items = read(tmp_path)
    assert names(items) == ["first", "second", "third", "fourth"]
    skipped = [os.path.basename(item.path) for item in items if isinstance(item, Skipped)]
    assert skipped == ["list.json", "truth.json", "truth.jsonl"]
    assert problems(items) == []


def test_a_file_that_is_named_must_be_otlp(read: Read, put) -> None:
    path = put("truth.jsonl", b'{"run": 1}\n{"run": 2}\n')
    assert [where for where, _ in problems(read(path))] == ["line 1", "line 2"]


def test_a_broken_file_in_a_folder_is_told(read: Read, put, tmp_path: Path) -> None:
    put("a.binpb", b"garbage")
    put("b.json", b"garbage")
    put("c.json", line("good"))
    items = read(tmp_path)
    assert names(items) == ["good"]
    assert [where for where, _ in problems(items)] == ["", "line 1"]


def test_what_is_not_there_is_told_and_the_rest_is_read(read: Read, put, tmp_path: Path) -> None:
    items = read(tmp_path / "missing.json", put("a.json", line("a")))
    assert names(items) == ["a"]
    assert problems(items) == [("", "No such file or directory")]


def test_gzip_that_is_cut_off_gives_what_was_there(read: Read, put) -> None:
    packed = gzip.compress(b"".join(line(f"span {i}") for i in range(2000)), compresslevel=1)
    items = read(put("t.jsonl.gz", packed[: len(packed) // 2]))
    assert 100 < len(names(items)) < 2000
    assert problems(items) == [(f"offset {len(packed) // 2}", "the gzip data is cut off")]


def test_gzip_that_is_corrupt_gives_what_was_there(read: Read, put) -> None:
    items = read(put("t.jsonl.gz", gzip.compress(line("a")) + b"\x1f\x8bgarbage, and more of it"))
    assert names(items) == ["a"]
    ((where, reason),) = problems(items)
    assert where.startswith("offset ")
    assert reason.startswith("the gzip data is corrupt")


@pytest.mark.parametrize(("name", "where"), [("t.jsonl", "line 2"), ("t.json", "line 2"), ("t.binpb", "")])
def test_a_document_that_is_too_large_is_told(
    read: Read, put, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    monkeypatch.setattr(files, "MAX_DOCUMENT", 200)
    large = line("x" * 500)
    items = read(put(name, large if name == "t.binpb" else line("a") + large + line("b")))
    assert [item.where for item in items if isinstance(item, Unreadable)] == [where]
    assert names(items) == ([] if name == "t.binpb" else ["a", "b"])


def test_a_document_over_many_lines_that_is_too_large_is_told(read: Read, put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_DOCUMENT", 200)
    items = read(put("t.json", json.dumps(document("x" * 20), indent=4).encode() + b"\n" + line("b")))
    assert problems(items) == [("line 1", files._TOO_LARGE)]
    assert names(items) == ["b"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", ["protobuf", "lines", "document"])
def test_standard_input_is_told_by_its_first_bytes(
    read: Read, request_of: Make, monkeypatch: pytest.MonkeyPatch, pack, kind: str
) -> None:
    written = {
        "protobuf": request_of({"name": "a"}).SerializeToString(),
        "lines": line("a"),
        "document": json.dumps(document("a"), indent=2).encode(),
    }[kind]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(written))))
    items = read("-")
    assert names(items) == ["a"]
    assert not sys.stdin.closed


def test_progress_is_in_bytes_of_the_file_as_it_is_stored(decoder: Decoder, put) -> None:
    path = put("t.jsonl.gz", gzip.compress(b"".join(line(os.urandom(500).hex()) for _ in range(500))))
    (source,) = find_sources([str(path)])
    assert source == Source(str(path), path.stat().st_size)
    positions = [item.position for item in read_requests([source], decoder) if isinstance(item, Decoded)]
    assert positions == sorted(positions)
    assert positions[0] < positions[-1] == source.size


def test_what_find_sources_could_not_read_is_handed_through(decoder: Decoder) -> None:
    problem = Unreadable("x", "", "Permission denied")
    assert list(read_requests([problem], decoder)) == [problem]
