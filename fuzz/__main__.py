"""`python -m fuzz TARGET [ARGUMENTS OF LIBFUZZER]`: inputs that find new ways through the code, until one breaks it.

    python -m fuzz builder -max_total_time=1200 -print_final_stats=1

An input that raises, or takes over a second, ends the run and is written to the current folder.
"""

from __future__ import annotations

import sys
import tempfile
from inspect import isfunction
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["otelscore"]):
    from fuzz.targets import INTERPRETED, LONGEST, SEEDS, TARGETS

DEFAULTS = {"-timeout": "1", "-rss_limit_mb": "1024"}


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        raise SystemExit(f"name one of {', '.join(TARGETS)}")
    given = {argument.partition("=")[0] for argument in sys.argv}
    defaults = {**DEFAULTS, "-max_len": str(LONGEST.get(name, 8192))}
    sys.argv += [f"{option}={value}" for option, value in defaults.items() if option not in given]
    for function, code in vars(INTERPRETED).copy().items():  # it was not imported, so that nothing saw it
        if isfunction(code) and code.__module__ == INTERPRETED.__name__:
            setattr(INTERPRETED, function, atheris.instrument_func(code))
    seeds = Path(tempfile.mkdtemp(prefix="otelscore-fuzz-"))  # found inputs come here too
    for number, seed in enumerate(SEEDS.get(name, ())):
        (seeds / f"{number}").write_bytes(seed)
    atheris.Setup([*sys.argv, str(seeds)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
