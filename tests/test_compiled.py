"""What is compiled does what its source does where nothing is."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import otelscore
from bench.interpreted import interpreted
from otelscore.ingest.decode import Decoder

HOUSE = Path(otelscore.__file__).parent
TYPED = sorted(HOUSE.rglob("*.pxd"))
CORPUS = sorted((Path(__file__).parent / "corpus").rglob("*.binpb"))
RESOURCE_KEYS = frozenset({"service.version"})


@pytest.mark.parametrize("path", TYPED, ids=lambda path: path.relative_to(HOUSE).as_posix())
def test_all_that_has_types_is_compiled(path: Path) -> None:
    name = ".".join(("otelscore", *path.relative_to(HOUSE).with_suffix("").parts))
    found = importlib.import_module(name).__file__
    assert Path(found).suffix in (".so", ".pyd"), "there was no compiler when otelscore was installed: see setup.py"


def decoder() -> Decoder:
    from otelscore.dialects import Context, Registry
    from otelscore.ingest.decode import Decoder

    return Decoder(Registry(Context(key=bytes(16))), RESOURCE_KEYS)


def test_whatever_frameworks_send_is_read_alike_compiled_and_interpreted() -> None:
    compiled = decoder()
    with interpreted():
        plain = decoder()
    assert type(plain).__module__ == type(compiled).__module__
    assert type(plain) is not type(compiled)
    assert len(CORPUS) > 50
    for path in CORPUS:
        body = path.read_bytes()
        assert repr(plain.any_protobuf(body)) == repr(compiled.any_protobuf(body)), path


def scores() -> list[str]:
    from otelscore.config import Config
    from otelscore.pipeline import Pipeline

    reader, pipeline = decoder(), Pipeline(Config(), "")
    for path in CORPUS:
        pipeline.ingest(reader.any_protobuf(path.read_bytes()), 0.0)
    return [repr(score) for score in pipeline.close_all(0.0)]


def test_whatever_frameworks_send_is_scored_alike_compiled_and_interpreted() -> None:
    compiled = scores()
    with interpreted():
        plain = scores()
    assert plain == compiled
    assert len(plain) > 50
