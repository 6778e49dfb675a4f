"""The image, as far as that can be told without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from deploy.tools import DEPLOY
from live import FREE, start
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import otelscore
from otelscore.config import SETTINGS, load

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
ENVIRONMENT = dict(re.findall(r"(OTELSCORE_\w+)=(\S+)", DOCKERFILE))


def test_stages_are_pinned_and_the_last_is_slim():
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-(slim-)?bookworm", stage) for stage in stages), stages
    assert "-slim-" in stages[-1]


def test_it_runs_as_somebody_without_rights():
    assert re.findall(r"^USER (.+)", DOCKERFILE, re.MULTILINE)[-1] == "65532:65532"


def test_its_environment_is_settings_and_listens_where_the_ports_are():
    assert ENVIRONMENT.keys() <= {setting.env for setting in SETTINGS}
    config = load(None, ENVIRONMENT, {})
    listening = (config.grpc_endpoint, config.http_endpoint, config.metrics_endpoint)
    assert {address.host for address in listening} == {"0.0.0.0"}
    (exposed,) = re.findall(r"^EXPOSE (.+)", DOCKERFILE, re.MULTILINE)
    assert exposed.split() == [str(address.port) for address in listening]
    assert f"VOLUME {config.state}" in DOCKERFILE


def test_it_does_not_start_for_everybody_until_it_is_told_to():
    anywhere = [text for flag in FREE[::2] for text in (flag, "0.0.0.0:0")]
    environment = {**ENVIRONMENT, "OTELSCORE_STATE": "none"}
    with pytest.raises(AssertionError, match="which other machines reach"):
        start(*anywhere, env=environment)
    private = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["otelscore"]["environment"]
    assert start(*anywhere, env=environment | private).stop() == 0


@pytest.mark.parametrize("ready", [True, False])
def test_the_health_check_says_whether_it_is_ready(ready):
    (command,) = re.findall(r"^    CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    server = start(*FREE)
    program = json.loads(command)[2].replace("127.0.0.1:9464", server.metrics if ready else "127.0.0.1:1")
    checked = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    server.process.kill()
    server.process.wait()
    assert (checked.returncode == 0) is ready


def test_what_it_is_built_from_is_sent_to_the_builder():
    sent = re.findall(r"^!(.+)$", (DEPLOY.parent / ".dockerignore").read_text(), re.MULTILINE)
    assert {"otelscore", "pyproject.toml", "deploy/constraints.txt"} <= set(sent)
    assert all((DEPLOY.parent / name).exists() for name in sent)


def test_every_dependency_is_pinned_to_a_version_that_will_do():
    lines = (DEPLOY / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    todo, seen = ["otelscore"], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        for needed in map(Requirement, distribution(name).requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                depends = canonicalize_name(needed.name)
                assert pins.get(depends, "") in needed.specifier, (
                    f"{depends}: {pins.get(depends)}, {name} needs {needed}"
                )
                todo += [depends] if depends not in seen else []
    assert seen - {"otelscore"} == pins.keys()


def test_versions_agree():
    chart = (DEPLOY / "helm" / "otelscore" / "Chart.yaml").read_text()
    compose = (DEPLOY / "compose.yaml").read_text()
    named = re.findall(r"appVersion: (\S+)", chart) + re.findall(r"image: otelscore:(\S+)", compose)
    assert set(named) == {otelscore.__version__}


def test_no_link_of_the_chart_leads_nowhere():
    links = [path for path in Path(DEPLOY).rglob("*") if path.is_symlink()]
    assert links
    assert all(link.exists() for link in links)


def test_the_builder_gets_all_that_a_wheel_is_made_of(tmp_path):
    root = DEPLOY.parent
    for name in re.findall(r"^!(.+)$", (root / ".dockerignore").read_text(), re.MULTILINE):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy(root / name, tmp_path / name)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "out",
        ".",
    ]
    no_compiler = {**os.environ, "CC": "false"}  # what is packed does not depend on it, and compiling takes long
    built = subprocess.run(build, check=False, capture_output=True, text=True, cwd=tmp_path, env=no_compiler)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "out").iterdir()
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("otelscore/")}
    assert {path.relative_to(root).as_posix() for path in (root / "otelscore").rglob("*.py")} <= packed
