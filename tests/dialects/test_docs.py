"""docs/dialects.md says what the tables say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from otelscore.dialects import DIALECTS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documentation_is_made_of_the_tables_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("dialect_tables", DOCS / "dialect_tables.py")
    assert spec is not None
    assert spec.loader is not None
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = (DOCS / "dialects.md").read_text("utf-8")
    assert text.endswith(tables.render()), "run python docs/dialect_tables.py"


def test_every_dialect_says_what_it_cannot_show() -> None:
    assert [dialect.name for dialect in DIALECTS if not dialect.cannot_show] == []
