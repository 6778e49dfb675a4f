"""Runs real frameworks under every kind of fault and keeps what they send, for test_frameworks.py:

    FRAMEWORKS=VENV/bin/python PYTHONPATH=.:tests python tests/injection/frameworks/capture.py

VENV has requirements.txt, this interpreter otelscore[faults]. Each framework runs each character of the script under
each kind, its tool wrapped by `inject` and behind the fault proxy. The spans of all these runs go to one file for each
framework and way, and what the scripts say that they did to another.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product, repeat
from pathlib import Path

from script import CHARACTERS
from sink import HttpSink

from otelscore.faults.engine import PLAN, RUN, SWITCH
from otelscore.faults.kinds import KINDS

HERE = Path(__file__).parent
FRAMEWORKS = ("pydantic_ai", "langgraph")
WAYS = ("inject", "proxy")
PARAMETERS = {
    "delay": {"seconds": 0.05},
    "schema_drift": {"change": "rename", "field": "total"},
    "wrong_value": {"value": "number"},
}


def run(framework: str, way: str, kind: str, character: str) -> tuple[bytes, dict[str, object]]:
    """The spans of one run as the body of one request, and the script's account."""
    sink = HttpSink().start()
    with tempfile.TemporaryDirectory() as folder:
        plan, account = Path(folder, "plan.json"), Path(folder, "account.json")
        rule = {"kind": kind, "calls": 2, **PARAMETERS.get(kind, {})}
        plan.write_text(json.dumps({"faults": [rule]}))
        service = f"{kind}/{character}"
        proxy = ["env", f"OTEL_SERVICE_NAME={service}/proxy", f"PYTHONPATH={HERE.parents[2]}"]
        proxy += [sys.executable, "-m", "otelscore", "fault-proxy", "--", sys.executable, str(HERE / "server.py")]
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE.parents[2]),
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            "OTEL_SERVICE_NAME": service,
            "ACCOUNT": str(account),
            "MCP_SERVER": json.dumps(proxy),
            PLAN: str(plan),
            RUN: service,
            SWITCH: "1",
        }
        command = [os.environ["FRAMEWORKS"], str(HERE / f"agent_{framework}.py"), character, way]
        subprocess.run(command, env=environment, check=True, timeout=120)
        sink.stop()
        return without_paths(b"".join(sink.bodies())), json.loads(account.read_text())


def without_paths(body: bytes) -> bytes:
    """Stack traces without where this machine has things; of the same length, since it is protobuf."""
    for place in (HERE.parents[2], Path(os.environ["FRAMEWORKS"]).parents[1], Path(sys.base_prefix)):
        path = str(place).encode()
        body = body.replace(path, b"/" + b"x" * (len(path) - 1))
    return body


def main() -> None:
    for framework, way in product(FRAMEWORKS, WAYS):
        cases = list(product(KINDS, CHARACTERS))
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(run, repeat(framework), repeat(way), *zip(*cases, strict=True)))
        accounts = {f"{kind}/{character}": done for (kind, character), (_, done) in zip(cases, found, strict=True)}
        name = HERE / f"{framework}-{way}"
        name.with_suffix(".binpb.gz").write_bytes(gzip.compress(b"".join(body for body, _ in found), 9, mtime=0))
        name.with_suffix(".json").write_text(json.dumps(accounts, indent=1) + "\n")


if __name__ == "__main__":
    main()
