"""Runs an agent's command for every task and attempt of a trial, with the plan and without."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import yaml

from otelscore.config import Config
from otelscore.faults.collect import Collector
from otelscore.faults.engine import PLAN, RUN, SWITCH
from otelscore.faults.trial import Attempt, tries
from otelscore.model import Trajectory
from otelscore.scoring.faults import hits_of


class TasksError(ValueError):
    """A file of tasks says what cannot be; the message names the place."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task: `given` is handed to the agent as JSON; `check`, a shell command, exits with 0 where it is done."""

    name: str
    check: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)


def load_tasks(path: Path) -> list[Task]:
    """The tasks in a YAML file: a list of mappings with `name`, and what the agent is told. Raises TasksError."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TasksError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TasksError(f"{path}: no YAML: {error}") from None
    if not isinstance(said, list) or not said:
        raise TasksError(f"{path}: a list of tasks is missing")
    found = []
    for number, one in enumerate(said, start=1):
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            raise TasksError(f"{path}: task {number}: a mapping with a name is expected")
        if not isinstance(one.get("check", ""), str):
            raise TasksError(f"{path}: task {number}: check: a shell command is expected")
        found.append(Task(one["name"], one.get("check", ""), one))
    if len({task.name for task in found}) < len(found):
        raise TasksError(f"{path}: two tasks have the same name")
    return found


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that an attempt needs. `seconds`: the time limit of each."""

    command: Sequence[str]
    plan: Path
    tasks: Sequence[Task]
    attempts: int
    jobs: int
    seconds: float
    config: Config

    def run(self, advance: Callable[[], None]) -> list[Attempt]:
        """All attempts, in order; `advance` is called as each ends."""
        collector = Collector(self.config)
        wanted = list(product(self.tasks, range(1, self.attempts + 1), (False, True)))
        with collector.listening(), ThreadPoolExecutor(self.jobs) as pool:
            running = {pool.submit(self._attempt, collector, *one): index for index, one in enumerate(wanted)}
            found: dict[int, Attempt] = {}
            for done in as_completed(running):
                found[running[done]] = done.result()
                advance()
        return [found[index] for index in range(len(wanted))]

    def _attempt(self, collector: Collector, task: Task, number: int, faults: bool) -> Attempt:
        place = f"{self.tasks.index(task)}-{number}-{int(faults)}"
        environment = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{collector.url}/{place}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTELSCORE_TASK": orjson.dumps(task.given).decode(),
            "OTELSCORE_ATTEMPT": str(number),
            PLAN: str(self.plan.resolve()),
            RUN: f"{task.name}/{number}",
            SWITCH: "1" if faults else "0",
        }
        began = time.monotonic()
        ended, code, said = _execute(list(self.command), environment, self.seconds)
        seconds = time.monotonic() - began
        if task.check and code is not None:
            _, checked, _ = _execute(["/bin/sh", "-c", task.check], environment, self.seconds, said)
            passed: bool | None = checked == 0
        else:
            passed = code == 0
        found = collector.trajectories(place)
        verdicts = [one.verdict.passed for one in found if one.verdict is not None and one.verdict.passed is not None]
        if verdicts and not task.check and code is not None:
            passed = all(verdicts)
        return Attempt(
            task=task.name,
            number=number,
            faults=faults,
            passed=passed,
            seconds=seconds,
            ended=ended,
            runs=len(found),
            hits=tuple(hit for one in found for hit in hits_of(one, lambda _, value: value)),
            calls=tuple(call for one in found for call in tries(one)),
            survival=tuple(map(_survival, found)),
        )


def _survival(trajectory: Trajectory) -> tuple[int, int | None]:
    steps = [step for step in trajectory.steps if step.index is not None]
    first = next((number for number, step in enumerate(steps, start=1) if step.recovered is False), None)
    return len(steps), len(steps) if first is None and trajectory.hard_failure and steps else first


def _execute(
    command: list[str], environment: Mapping[str, str], seconds: float, told: bytes = b""
) -> tuple[str, int | None, bytes]:
    """(how it ended, exit code or None where it was ended for its time, what it said on standard output)."""
    process = subprocess.Popen(  # noqa: S603 - the user's own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    try:
        said, _ = process.communicate(told, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        process.communicate()
        return "timeout", None, b""
    return f"exit {process.returncode}", process.returncode, said
