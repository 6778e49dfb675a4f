"""What model calls say of the tool calls around them: what they asked for, and what they were told came of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence

from otelscore.model import TOOL, Call, Result
from otelscore.trajectory.drafts import AgentKey, Draft
from otelscore.trajectory.errors import Judgement


def find_requests(steps: Sequence[Draft]) -> None:
    """Gives calls without an id, and without arguments, those of the requests for them.

    A request is one of the last model call of the same agent, for a tool of that name. Of several, the one for the same
    arguments, else the next one; none where not as many calls were made, of one instrumentation, as were asked for.
    """
    asked: dict[AgentKey, list[Draft]] = defaultdict(list)
    for step in steps:
        if step.requested:
            asked[step.agent].append(step)
    if not asked:
        return
    for models in asked.values():
        models.sort(key=lambda step: step.start)
    made: dict[tuple[bytes, str, str], list[Draft]] = defaultdict(list)
    requests: dict[tuple[bytes, str, str], list[Call]] = {}
    for step in sorted(steps, key=lambda step: (step.start, step.end, step.span_id)):
        models = asked.get(step.agent, [])
        if step.kind is not TOOL or step.call_id or not models:
            continue
        before = bisect_left(models, step.start, key=lambda model: model.start)
        if before:
            model = models[before - 1]
            key = (model.span_id, step.name, step.span.origin.scope)
            if key not in made:
                requests[key] = [call for call in model.requested if call.name == step.name]
            made[key].append(step)
    for key, calls in made.items():
        if len(requests[key]) != len(calls):
            continue
        free = dict(enumerate(requests[key]))
        by_arguments: dict[bytes | None, deque[int]] = defaultdict(deque)
        for number, request in free.items():
            by_arguments[request.arguments].append(number)
        for call in calls:
            for waiting in (waiting for given in call.arguments if (waiting := by_arguments.get(given))):
                while waiting and waiting[0] not in free:
                    waiting.popleft()
            same = min((by_arguments[given][0] for given in call.arguments if by_arguments.get(given)), default=None)
            request = free.pop(next(iter(free)) if same is None else same)
            call.call_id = request.call_id
            if request.arguments is not None and not call.arguments:
                call.arguments = (request.arguments,)


def hear_results(steps: Sequence[Draft]) -> None:
    """A tool span failed where the next model call to hear of its call was told so.

    Where the span has a result of its own, only a flag says more than that.
    """
    heard: dict[str, list[tuple[int, Result]]] = defaultdict(list)
    for step in steps:
        for result in step.span.reading.results:
            if result.call.call_id:
                heard[result.call.call_id].append((step.start, result))
    if not heard:
        return
    for told in heard.values():
        told.sort(key=lambda item: item[0])
    for step in steps:
        if step.kind is not TOOL or step.failed or step.judgement.skipped:
            continue
        told = heard.get(step.call_id, [])
        later = bisect_left(told, step.start, key=lambda item: item[0])
        after = told[later][1] if later < len(told) else None
        if after is not None and after.failure is not None and (after.flagged or not step.span.reading.has_result):
            step.judgement = Judgement(True, failure=after.failure, soft_error=after.soft_error)
