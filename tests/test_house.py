"""Who may import whom, from the ground up (DESIGN.md, "The way of the data"), and what is kept free of any I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import otelscore

HOUSE = Path(otelscore.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))

GROUND = frozenset({"model"})
PIPELINE = GROUND | {"config", "dialects", "trajectory", "scoring", "tally", "journal", "runs", "pipeline"}
DURABLE = PIPELINE | {"store", "saved", "durable"}
SERVICE = DURABLE | {"ingest", "export", "serving", "doors", "logs", "plugins", "clock", "starting", "service"}

MAY_IMPORT = {
    "model": frozenset(),
    "config": frozenset(),
    "logs": frozenset(),
    "dialects": GROUND,
    "scoring": GROUND,
    "ingest": GROUND,
    "store": GROUND,
    "serving": GROUND,
    "doors": GROUND | {"config"},
    "plugins": GROUND | {"dialects"},
    "trajectory": GROUND | {"dialects"},
    "export": GROUND | {"scoring"},
    "tally": GROUND | {"config", "trajectory", "scoring"},
    "journal": frozenset(),
    "runs": GROUND | {"config", "trajectory", "scoring"},
    "pipeline": GROUND | {"config", "trajectory", "scoring", "tally", "journal", "runs"},
    "demo": GROUND,
    "checkup": GROUND,
    "saved": DURABLE,
    "durable": DURABLE,
    "clock": frozenset(),
    "starting": GROUND | {"config", "export", "serving", "store"},
    "service": SERVICE,
    "faults": SERVICE,
    "cli": SERVICE | {"demo", "checkup", "faults"},
    "__main__": frozenset({"cli"}),
}
"""Room -> the rooms that it may use besides itself."""

LISTENERS = {"ingest/grpc.py"}  # it tells of a port in use in the words of `serving`, as the HTTP servers do

IO_MODULES = frozenset(
    {
        "socket",
        "threading",
        "time",
        "os",
        "asyncio",
        "sqlite3",
        "grpc",
        "uvicorn",
        "pathlib",
        "subprocess",
        "multiprocessing",
    }
)
IO_CALLS = frozenset({"open", "print", "input"})
WITH_IO = {"ingest/grpc.py", "ingest/http.py", "ingest/files.py"}
SANS_IO = {"model", "dialects", "trajectory", "scoring", "tally", "journal", "runs", "pipeline", "ingest"}


def place(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def room(path: Path) -> str:
    return place(path).split("/")[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path)}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_used(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path))
    ours = {parts[1] for parts in names if parts[0] == "otelscore" and len(parts) > 1}
    return {name for name in ours if (HOUSE / name).is_dir() or (HOUSE / f"{name}.py").exists()} - {room(path)}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_room_uses_only_what_lies_below_it(path):
    if place(path) == "__init__.py":
        assert not rooms_used(path)
        return
    assert rooms_used(path) - MAY_IMPORT[room(path)] <= ({"serving"} if place(path) in LISTENERS else set())


def test_no_room_is_above_and_below_another():
    uses: dict[str, set[str]] = {}
    for path in FILES:
        uses.setdefault(room(path), set()).update(rooms_used(path))
    while uses:
        ground = {name for name, rooms in uses.items() if not rooms & uses.keys()}
        assert ground, f"a circle of rooms: {sorted(uses)}"
        for name in ground:
            del uses[name]


@pytest.mark.parametrize(
    "path", [path for path in FILES if room(path) in SANS_IO and place(path) not in WITH_IO], ids=place
)
def test_between_listeners_and_exporters_there_is_no_io(path):
    modules = {name.split(".")[0] for name in imports(path)}
    assert not modules & IO_MODULES
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & IO_CALLS


def test_imports_are_found():
    """Else the tests above could not fail."""
    assert rooms_used(HOUSE / "journal.py") == set()
    assert rooms_used(HOUSE / "tally.py") == {"config", "model", "scoring", "trajectory"}
    assert "grpc" in set(imports(HOUSE / "ingest" / "grpc.py"))


def test_every_room_is_in_the_table():
    assert {room(path) for path in FILES} <= MAY_IMPORT.keys() | {"__init__"}
