"""A batch comes back from its bytes as it was."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import agent, model, other, spans, tool

from otelscore.dialects import Context, Registry
from otelscore.ingest.decode import Decoder
from otelscore.model import (
    OTHER,
    Batch,
    Call,
    ErrorClass,
    Failure,
    Kind,
    Origin,
    Reading,
    Result,
    Role,
    Span,
    SpanFacts,
    Verdict,
)
from otelscore.store import decode_batch, encode_batch
from otelscore.store.database import SCHEMA

CORPUS = Path(__file__).parents[1] / "corpus"

TEXTS = st.sampled_from(["", "search", "tool", "Straße"]) | st.text(max_size=8)
BYTES = st.sampled_from([b"", b"search"]) | st.binary(max_size=16)
OF_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bytes: BYTES,
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    bool | None: st.sampled_from([True, False, None]),
    bytes | None: st.none() | BYTES,
    Kind: st.sampled_from(Kind),
    Role: st.sampled_from(Role),
    ErrorClass: st.sampled_from(ErrorClass),
    Mapping[str, str]: st.dictionaries(TEXTS, TEXTS, max_size=2),
    frozenset[bytes]: st.frozensets(BYTES, max_size=2),
    tuple[tuple[bytes, bytes], ...]: st.lists(st.tuples(BYTES, BYTES), max_size=2).map(tuple),
}


def any_of(made: type, **special: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class with any value in every field."""
    fields = {name: OF_TYPE[hint] for name, hint in get_type_hints(made).items() if name not in special}
    return st.builds(made, **fields, **special)


def tuples_of(made: type) -> st.SearchStrategy[Any]:
    return st.lists(any_of(made), max_size=2).map(tuple)


OF_TYPE[Failure] = any_of(Failure)
OF_TYPE[Failure | None] = st.none() | any_of(Failure)
OF_TYPE[Call] = any_of(Call)
OF_TYPE[tuple[Call, ...]] = tuples_of(Call)
OF_TYPE[Result | None] = st.none() | any_of(Result)
OF_TYPE[tuple[Result, ...]] = tuples_of(Result)
OF_TYPE[tuple[Verdict, ...]] = tuples_of(Verdict)
OF_TYPE[list[Verdict]] = st.lists(any_of(Verdict), max_size=3)
OF_TYPE[list[SpanFacts]] = st.lists(any_of(SpanFacts), max_size=3)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches in which spans share origins and readings."""
    origins = st.sampled_from(draw(st.lists(any_of(Origin), min_size=1, max_size=3)))
    readings = st.sampled_from([OTHER, *draw(st.lists(any_of(Reading), max_size=3))])
    found = st.lists(any_of(Span, origin=origins, reading=readings), max_size=6)
    return draw(any_of(Batch, spans=found, reached=st.just(())))  # that is counted, and not asked for again


@given(batches())
@example(Batch())
def test_a_batch_comes_back_as_it_was(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


@given(batches())
def test_what_spans_share_they_share_again(batch: Batch) -> None:
    again = decode_batch(encode_batch(batch))
    for name in ("origin", "reading"):
        before, after = ([id(getattr(span, name)) for span in each.spans] for each in (batch, again))
        assert [before.index(one) for one in before] == [after.index(one) for one in after]
    for span, same in zip(batch.spans, again.spans, strict=True):
        assert (same.reading is OTHER) == (span.reading is OTHER)


@pytest.mark.parametrize("framework", sorted(folder.name for folder in CORPUS.iterdir() if folder.is_dir()))
def test_captured_requests_come_back_as_they_were(framework: str) -> None:
    decoder = Decoder(Registry(Context(key=bytes(16))))
    decode = {".binpb": decoder.any_protobuf, ".json": decoder.traces_json}
    batches = [decode[path.suffix](path.read_bytes()) for path in (CORPUS / framework).glob("*/request-*")]
    assert any(batch.spans for batch in batches)
    for batch in batches:
        assert decode_batch(encode_batch(batch)) == batch


def test_the_types_of_all_fields_come_back() -> None:
    """Equality does not tell an enum from its value."""
    run = agent(
        "planner", 0, 9, model(1, 2, requested=(Call("1", "search"),)), tool("search", 3, 4, error="TimeoutError")
    )
    batch = decode_batch(encode_batch(Batch(spans(run))))
    for span in batch.spans:
        assert type(span.reading.kind) is Kind
        assert type(span.reading.role) is Role
    _, asked, called = (span.reading for span in batch.spans)
    assert type(asked.requested[0]) is Call
    assert called.failure is not None
    assert type(called.failure.error_class) is ErrorClass


def test_a_span_of_the_application_takes_little() -> None:
    found = spans(agent("planner", 0, 99, *(other(second, second + 1) for second in range(90))))
    for span in found[1:]:
        span.origin, span.reading = found[0].origin, OTHER
    assert len(encode_batch(Batch(found))) < 40 * len(found)


WRITTEN = {
    2: """
        mwOakQCTxAguLi4uLi4uMcQILi4uLi4uLjLECC4uLi4uLi4zkwECApMDBAWRAZEAk847msoAzrLQXgDPAAAAASoF8gCTzwAAAAIYcRoAzu5rKADP
        AAAAAWWgvACTAAIAkZCTAAECk5Skc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJMBAgAC3AAXkqVh
        Z2VudKR0b29skQaSAwSSAwWRoJEFkQCSwMQBMZGQkZCRwpHCkcKSwJWsVGltZW91dEVycm9yp3RpbWVvdXTDwpHEDFRpbWVvdXRFcnJvcpEFkcCR
        wpHAksPCkYCRBZEFkZCRlqx0YXNrX3N1Y2Nlc3PDB8QQdHR0dHR0dHR0dHR0dHR0dMQAoJGYxBB0dHR0dHR0dHR0dHR0dHR0xAhzc3Nzc3Nzc5Wq
        VmFsdWVFcnJvcqd1bmtub3duwsKQwMCQkMCTAwG0dHJhY2VfaWQgaXMgYWxsIHplcm+XxBBhIHRyYWNlIG9mIDE2IGJ5xADECC4uLi4uLi4xp3Bs
        YW5uZXKmc2VhcmNooKR0ZXN0
    """,
    3: """
        mwOakQCTxAguLi4uLi4uMcQILi4uLi4uLjLECC4uLi4uLi4zkwECApMDBAWRAZEAk847msoAzrLQXgDPAAAAASoF8gCTzwAAAAIYcRoAzu5rKADP
        AAAAAWWgvACTAAIAkZCTAAECk5Skc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJMBAgAC3AAYkqVh
        Z2VudKR0b29skQaSAwSSAwWRoJEFkQCSwMQBMZGQkZCRwpHCkcKSwJWsVGltZW91dEVycm9yp3RpbWVvdXTDwpHEDFRpbWVvdXRFcnJvcpEFkcCR
        wpHAksPCkYCRBZEFkZCRwJGWrHRhc2tfc3VjY2Vzc8MHxBB0dHR0dHR0dHR0dHR0dHR0xACgkZjEEHR0dHR0dHR0dHR0dHR0dHTECHNzc3Nzc3Nz
        lapWYWx1ZUVycm9yp3Vua25vd27CwpDAwJCQwJMDAbR0cmFjZV9pZCBpcyBhbGwgemVyb5fEEGEgdHJhY2Ugb2YgMTYgYnnEAMQILi4uLi4uLjGn
        cGxhbm5lcqZzZWFyY2igpHRlc3Q=
    """,
    4: """
        mwOakQCTxAguLi4uLi4uMcQILi4uLi4uLjLECC4uLi4uLi4zkwECApMDBAWRAZEAk847msoAzrLQXgDPAAAAASoF8gCTzwAAAAIYcRoAzu5rKADP
        AAAAAWWgvACTAAIAkZCTAAECk5Skc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJSkc2hvcKlmcmFtZXdvcmuAoJMBAgAC3AAYkqVh
        Z2VudKR0b29skQaSAwSSAwWRoJEFkQCSwMQBMZGQkZCRwpHCkcKSwJWsVGltZW91dEVycm9yp3RpbWVvdXTDwpHEDFRpbWVvdXRFcnJvcpEFkcCR
        wpHAksPCkYCRBZEFkZCRwJGWrHRhc2tfc3VjY2Vzc8MHxBB0dHR0dHR0dHR0dHR0dHR0xACgkZnEEHR0dHR0dHR0dHR0dHR0dHTECHNzc3Nzc3Nz
        lapWYWx1ZUVycm9yp3Vua25vd27CwpDAwJCQwACTAwG0dHJhY2VfaWQgaXMgYWxsIHplcm+XxBBhIHRyYWNlIG9mIDE2IGJ5xADECC4uLi4uLi4x
        p3BsYW5uZXKmc2VhcmNooKR0ZXN0
    """,
}
"""Schema -> how the batch of the test below is written under it. Another way of writing needs another schema.

Those of older schemas are read, too."""


def test_what_is_written_goes_with_the_schema() -> None:
    planner = agent("planner", 1, 9, tool("search", 3, 4, error="TimeoutError", args=1), other(5, 6))
    found = spans(planner)
    found[2].reading = OTHER
    verdict = Verdict("task_success", True, 7, b"t" * 16)
    facts = SpanFacts(b"t" * 16, b"s" * 8, Failure("ValueError"))
    batch = Batch(found, [verdict], [facts], 3, 1, "trace_id is all zero")
    for written in map(b64decode, WRITTEN.values()):
        assert decode_batch(written) == batch
    written = b64decode(WRITTEN[SCHEMA])
    assert decode_batch(encode_batch(batch)) == batch
    assert len(encode_batch(batch)) == len(written)  # the order in a set of hashes may differ
