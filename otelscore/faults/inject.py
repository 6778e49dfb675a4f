"""`inject`: one wrapper around any callable, sync or async, that brings faults, records calls and plays them back."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, cast

from opentelemetry.trace import Span

from otelscore.faults.cassette import Call, MissError, Player, Recorder, error_of
from otelscore.faults.engine import PLAN, RUN, Engine, Fault
from otelscore.faults.kinds import Effect
from otelscore.faults.mutations import UNCHANGED
from otelscore.faults.plan import FaultPlan, load_plan
from otelscore.faults.spans import mark, span_of_call

P = ParamSpec("P")
R = TypeVar("R")


def inject(
    tool: Callable[P, R],
    plan: FaultPlan | Engine | None = None,
    *,
    name: str = "",
    run: str | Callable[[], str] = "",
    side_effects: bool = False,
    record: Recorder | None = None,
    replay: Player | None = None,
    on_miss: Literal["fail", "real"] = "fail",
) -> Callable[P, R]:
    """The tool with the plan's faults, where OTELSCORE_FAULTS=1 is set as well; else the tool as it is.

    All tools of one plan share its budget. `plan`: None for the one that OTELSCORE_FAULT_PLAN names, if any. `name`:
    by which the plan knows the tool, its own by default. `run`: which run a call belongs to, else what
    OTELSCORE_FAULT_RUN says, else the current trace. `side_effects`: it has some, so that only a rule that says so for
    it may hit it. `record`: writes each call as the real tool answered it. `replay`: answers instead of the tool, with
    the recorded latency; a call that it does not have fails with MissError, or goes to the real tool.

    The call's span, which is the innermost one around it, is marked with `otelscore.fault.kind` and
    `otelscore.fault.id`; a call without a span that is recorded gets no fault. Raises PlanError where the environment
    names a plan that cannot be.
    """
    engine = _engine_of(plan)
    if engine is None and record is None and replay is None:
        return tool
    label = name or getattr(tool, "__name__", type(tool).__name__)
    seam = _Seam(label, engine, run, side_effects, _signature(tool), record, replay, on_miss)
    if inspect.iscoroutinefunction(tool) or inspect.iscoroutinefunction(type(tool).__call__):

        @functools.wraps(tool)
        async def wrapped_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            call = seam.begin(args, kwargs)
            await asyncio.sleep(call.wait)
            if not call.asks:
                return call.answer()
            try:
                result = await cast("Any", tool)(*args, **kwargs)
            except Exception as error:
                call.failed(error)
                raise
            return call.gave(result)

        return cast("Callable[P, R]", wrapped_async)

    @functools.wraps(tool)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        call = seam.begin(args, kwargs)
        time.sleep(call.wait)
        if not call.asks:
            return cast("R", call.answer())
        try:
            result = tool(*args, **kwargs)
        except Exception as error:
            call.failed(error)
            raise
        return cast("R", call.gave(result))

    return wrapped


@dataclass(frozen=True, slots=True)
class _Seam:
    """What is known of a wrapped tool; `begin` makes what one call of it needs."""

    label: str
    engine: Engine | None
    run: str | Callable[[], str]
    side_effects: bool
    signature: inspect.Signature | None
    record: Recorder | None
    replay: Player | None
    on_miss: Literal["fail", "real"]

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Calling:
        span = span_of_call()
        run = _run_of(self.run, span)
        fault = self.engine.next_fault(run, self.label, self.side_effects, span is not None) if self.engine else None
        calling = _Calling(self, run, fault, span, None, wait=fault.seconds if fault else 0.0)
        if fault is not None and fault.effect is not Effect.CHANGES:
            calling.mark()
        if fault is not None and fault.effect is Effect.RAISES:
            return calling
        if self.record is not None or self.replay is not None:
            calling.arguments = _arguments(self.signature, args, kwargs)
        if self.replay is not None:
            calling.recorded = self.replay.next_call(self.label, calling.arguments)
            if calling.recorded is not None:
                calling.wait += calling.recorded.seconds
            elif self.on_miss == "fail":
                raise MissError(f"the cassette has no call of {self.label} with these arguments left")
        calling.began = time.perf_counter() + calling.wait
        return calling


@dataclass(slots=True)
class _Calling:
    """One call under way: wait for `wait` seconds, then take the `answer`, or ask the tool and say what came of it."""

    seam: _Seam
    run: str
    fault: Fault | None
    span: Span | None
    recorded: Call | None
    wait: float
    arguments: Any = None
    began: float = 0.0

    @property
    def asks(self) -> bool:
        """Whether the real tool is to be called."""
        return self.recorded is None and not (self.fault is not None and self.fault.effect is Effect.RAISES)

    def mark(self) -> None:
        if self.fault is not None and self.span is not None:
            mark(self.fault, self.span)

    def answer(self) -> Any:
        if self.fault is not None and self.fault.effect is Effect.RAISES:
            raise self.fault.error()
        return self._told(cast("Call", self.recorded).answer())

    def gave(self, result: Any) -> Any:
        """What the caller is told where the real tool gave this."""
        self._write(result=result)
        return self._told(result)

    def failed(self, error: Exception) -> None:
        self._write(error=error_of(error))

    def _told(self, result: Any) -> Any:
        engine = self.seam.engine
        told = result
        if engine is not None and self.fault is not None and self.fault.effect is Effect.CHANGES:
            told = self.fault.change(result)
            if told is UNCHANGED:
                told = result
                engine.refund(self.run)
            else:
                self.mark()
        if engine is not None:
            engine.remember(self.run, self.seam.label, result)
        return told

    def _write(self, result: Any = None, error: tuple[str, str] | None = None) -> None:
        if self.seam.record is not None:
            seconds = time.perf_counter() - self.began
            self.seam.record.add(Call(self.seam.label, self.arguments, result, error, seconds))


_engines: dict[int, Engine] = {}


def _engine_of(plan: FaultPlan | Engine | None) -> Engine | None:
    if isinstance(plan, Engine):
        return plan
    if plan is None:
        path = os.environ.get(PLAN)
        return _engine_at(Path(path)) if path else None
    return _engines.setdefault(id(plan), Engine(plan))  # the engine holds the plan, so that its id stays its own


@functools.cache
def _engine_at(path: Path) -> Engine:
    return Engine(load_plan(path))


def _run_of(run: str | Callable[[], str], span: Span | None) -> str:
    given = run() if callable(run) else run
    if given or RUN in os.environ:
        return given or os.environ[RUN]
    return format(span.get_span_context().trace_id, "032x") if span is not None else ""


def _signature(tool: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(tool)
    except (TypeError, ValueError):
        return None


def _arguments(signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """By name where the tool's signature tells the names, so that it makes no difference how a call is written."""
    if signature is not None:
        with suppress(TypeError):  # the tool itself will complain of such a call
            return dict(signature.bind(*args, **kwargs).arguments)
    return {"args": args, "kwargs": kwargs}
