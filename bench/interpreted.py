"""otelscore as it runs where nothing is compiled, for tests and benches: `python bench/interpreted.py serve ...`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

PACKAGE = "otelscore"


class FromSource(PathFinder):
    """Finds the source of a module even where it was compiled."""

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        found = super().find_spec(fullname, path, target)
        source = Path(found.origin or "").parent / f"{fullname.rpartition('.')[2]}.py" if found else None
        if source is None or found is None or found.submodule_search_locations is not None:
            return found
        return spec_from_file_location(fullname, source, loader=SourceFileLoader(fullname, str(source)))


@contextmanager
def interpreted() -> Iterator[None]:
    """What is imported of otelscore in here is not compiled, and has nothing in common with what is elsewhere."""
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}
    for name in kept:
        del sys.modules[name]
    sys.meta_path.insert(0, FromSource)
    try:
        yield
    finally:
        sys.meta_path.remove(FromSource)
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        sys.modules.update(kept)


if __name__ == "__main__":
    with interpreted():
        from otelscore.cli.main import main

        main()
