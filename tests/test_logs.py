from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
import structlog
from otelscore import logs

logs.configure("info", sys.argv[1])

def stumble(headers):
    raise ValueError(f"cannot read {headers['x']}")

def again(headers):
    try:
        stumble(headers)
    except ValueError as error:
        raise RuntimeError(headers["x"]) from error

try:
    again({"x": "SECRET"[:6]})
except RuntimeError as error:
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=error)
    logging.getLogger("asyncio").exception("task failed")
    structlog.stdlib.get_logger("otelscore").exception("stumbled")
    structlog.stdlib.get_logger("otelscore").info("went on", exc_info=False)
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_of_an_exception_the_log_has_type_and_place_but_neither_words_nor_variables(form):
    done = subprocess.run([sys.executable, "-c", PROGRAM, form], check=True, capture_output=True, text=True)
    assert "SECRET" not in done.stderr
    for said in ("Exception in ASGI application", "task failed", "stumbled", "went on"):
        assert said in done.stderr
    assert done.stderr.count("RuntimeError") == 3
    assert done.stderr.count("in again") == 3
