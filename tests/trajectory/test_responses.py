from __future__ import annotations

import pytest
from support import agent, made, model, other, recoveries, responses, retrieval, run, tool, wrapper

from otelscore.model import ERROR, ErrorClass, Failure, Kind, Role

PERMANENT = ["PermissionError", "NotFoundError", "ValueError"]
RETRYABLE = ["TimeoutError", "RateLimitError", "ConnectionResetError", "JSONDecodeError", "SomethingError"]


def story(*calls, end=99, **facts):
    """An agent that asks for these calls one after the other, a model call before each and one after the last."""
    steps = [model(0, 1)]
    for i, call in enumerate(calls):
        steps += [call(2 * i + 1, 2 * i + 2), model(2 * i + 2, 2 * i + 3)]
    return agent("a", 0, end, *steps, **facts)


def call(name, **facts):
    return lambda start, end: tool(name, start, end, **facts)


# --- The table, row by row. ---


@pytest.mark.parametrize("error", PERMANENT + RETRYABLE)
def test_the_same_call_that_then_succeeds_is_retried_whatever_the_error(error):
    trajectory = run(story(call("t", error=error, args="x"), call("t", args="x")))
    assert responses(trajectory) == ["retried"]
    assert recoveries(trajectory) == [True]


@pytest.mark.parametrize("error", RETRYABLE)
def test_the_same_call_after_a_retryable_error_is_retried_even_if_it_fails_again(error):
    twice = [call("t", error=error, args="x")] * 2
    assert responses(run(story(*twice))) == ["retried", "concluded"]


@pytest.mark.parametrize("error", PERMANENT)
def test_the_same_call_failing_again_after_a_permanent_error_is_repeated(error):
    twice = [call("t", error=error, args="x")] * 2
    assert responses(run(story(*twice))) == ["repeated", "concluded"]


def test_the_error_that_was_answered_decides_not_the_one_that_followed():
    calls = call("t", error="TimeoutError", args="x"), call("t", error="ValueError", args="x")
    assert responses(run(story(*calls))) == ["retried", "concluded"]


def test_a_fourth_identical_try_is_repeated():
    tries = [call("t", error="TimeoutError", args="x")] * 5
    assert responses(run(story(*tries))) == ["retried", "retried", "repeated", "repeated", "concluded"]


def test_a_fourth_identical_try_that_succeeds_was_right():
    tries = [*[call("t", error="TimeoutError", args="x")] * 3, call("t", args="x")]
    assert responses(run(story(*tries))) == ["retried"] * 3


def test_the_same_tool_with_other_arguments_is_revised():
    assert responses(run(story(call("t", error="ValueError", args="x"), call("t", args="y")))) == ["revised"]


def test_only_other_tools_are_rerouted():
    assert responses(run(story(call("t", error="ValueError", args="x"), call("u", args="x")))) == ["rerouted"]


def test_a_retrieval_is_answered_like_a_tool():
    look = retrieval("docs", 1, 2, error="TimeoutError")
    tree = agent("a", 0, 9, model(0, 1), look, model(2, 3), retrieval("docs", 3, 4), model(5, 6))
    assert responses(run(tree)) == ["retried"]


@pytest.mark.parametrize(
    ("acknowledges", "response"), [(True, "acknowledged"), (False, "concluded"), (None, "concluded")]
)
def test_without_further_calls_the_final_answer_counts(acknowledges, response):
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(3, 4, acknowledges=acknowledges))
    assert responses(run(tree)) == [response]
    assert recoveries(run(tree)) == [False]


def test_the_final_answer_may_be_the_agents_output():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(3, 4), acknowledges=True)
    assert responses(run(tree)) == ["acknowledged"]


def test_the_last_model_step_of_the_outermost_agent_has_the_word():
    inner = agent("b", 3, 5, model(3, 4, acknowledges=True))
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), inner, model(6, 7, acknowledges=False))
    assert responses(run(tree)) == ["concluded"]


def test_or_a_final_answer_tool():
    final = tool("final_answer", 4, 5, role=Role.FINAL_ANSWER, acknowledges=True)
    assert responses(run(agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(3, 4), final))) == [
        "acknowledged"
    ]


def test_a_run_that_ends_in_failure_abandons_what_nobody_answered():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(3, 4, acknowledges=True), error="Y")
    assert responses(run(tree)) == ["abandoned"]


def test_nobody_knows_what_an_incomplete_run_did():
    trajectory = run(model(0, 1, parent="a"), tool("t", 1, 2, error="X", args="x", parent="a"), model(3, 4, parent="a"))
    assert trajectory.outcome == "incomplete"
    assert (responses(trajectory), recoveries(trajectory)) == ([None], [None])


def test_but_a_recovery_that_was_seen_was_one():
    calls = [tool("t", 1, 2, error="X", parent="a"), model(3, 4, parent="a"), tool("t", 5, 6, parent="a")]
    trajectory = run(model(0, 1, parent="a"), *calls, model(7, 8, parent="a"))
    assert (responses(trajectory), recoveries(trajectory)) == ([None], [True])


# --- Side effects. ---


@pytest.mark.parametrize(
    ("error", "response"),
    [
        ("TimeoutError", "retried_unsafe"),
        ("ConnectionResetError", "retried_unsafe"),
        ("ConnectionRefusedError", "retried"),  # it never got there
        ("RateLimitError", "retried"),
        ("ValueError", "retried"),
    ],
)
def test_a_call_with_side_effects_that_may_have_happened_is_not_simply_sent_again(error, response):
    tree = story(call("send_mail", error=error, args="x"), call("send_mail", args="x"))
    assert responses(run(tree, unsafe=lambda tool: tool == "send_mail")) == [response]
    assert responses(run(tree, unsafe=lambda tool: False)) == ["retried"]


def test_sending_another_mail_is_revised_all_the_same():
    tree = story(call("send_mail", error="TimeoutError", args="x"), call("send_mail", args="y"))
    assert responses(run(tree, unsafe=lambda tool: True)) == ["revised"]


# --- Arguments that were not captured. ---


@pytest.mark.parametrize(
    ("error", "response"),
    [
        *((error, "retried") for error in RETRYABLE),
        ("ValueError", "revised"),
        ("NotFoundError", "revised"),
        ("PermissionError", "repeated"),
    ],
)
@pytest.mark.parametrize("captured", [(None, None), ("x", None), (None, "x")])
def test_without_arguments_the_error_class_decides(error, response, captured):
    tree = story(call("t", error=error, args=captured[0]), call("t", args=captured[1]))
    assert responses(run(tree)) == [response]


# --- Turns. ---


def test_calls_of_the_same_turn_are_no_response():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), tool("u", 3, 4), model(5, 6))
    assert responses(run(tree)) == ["concluded"]


def test_the_first_later_turn_with_calls_counts():
    tree = story(call("t", error="X", args="x"), call("u"), call("t", args="x"))
    assert responses(run(tree)) == ["rerouted"]
    assert recoveries(run(tree)) == [True]


def test_a_turn_without_calls_is_none():
    tree = agent(
        "a",
        0,
        9,
        model(0, 1),
        tool("t", 1, 2, error="X", args="x"),
        model(2, 3),
        model(3, 4),
        tool("t", 5, 6, args="x"),
    )
    assert responses(run(tree)) == ["retried"]


@pytest.mark.parametrize("facts", [{"args": "x"}, {"call_id": "c1"}])
def test_a_framework_that_tries_again_in_the_same_turn_answers_itself(facts):
    calls = tool("t", 1, 2, error="ValueError", **facts), tool("t", 2, 3, **facts)
    trajectory = run(agent("a", 0, 9, model(0, 1), *calls, model(5, 6)))
    assert responses(trajectory) == ["retried"]
    assert recoveries(trajectory) == [True]


def test_a_like_call_of_the_same_turn_that_began_before_the_failure_had_ended_does_not():
    calls = tool("t", 1, 3, error="ValueError", args="x"), tool("t", 2, 4, args="x")
    trajectory = run(agent("a", 0, 9, model(0, 1), *calls, model(5, 6)))
    assert responses(trajectory) == ["concluded"]
    assert recoveries(trajectory) == [False]


def test_a_call_of_the_same_turn_with_other_arguments_does_not():
    calls = tool("t", 1, 2, error="ValueError", args="x"), tool("t", 3, 4, args="y")
    trajectory = run(agent("a", 0, 9, model(0, 1), *calls, model(5, 6)))
    assert (responses(trajectory), recoveries(trajectory)) == (["concluded"], [False])


def test_of_several_answers_the_most_alike_wins():
    failure = tool("t", 1, 2, error="ValueError", args="x")

    def answered(*calls):
        return responses(run(agent("a", 0, 9, model(0, 1), failure, model(2, 3), *calls, model(8, 9))))

    other_tool, other_args, same = tool("u", 4, 5), tool("t", 4.1, 5, args="y"), tool("t", 4.2, 5, args="x")
    assert answered(other_tool, other_args, same) == ["retried"]
    assert answered(other_tool, other_args) == ["revised"]
    assert answered(other_tool) == ["rerouted"]


def test_a_model_span_may_last_longer_than_its_calls():
    """Streaming SDKs: the k-th model step opens turn k, however long it lasts."""
    first = model(0, 4, tool("t", 1, 2, error="X", args="x"))
    assert responses(run(agent("a", 0, 9, first, model(4, 8, tool("t", 5, 6, args="x"))))) == ["retried"]


def test_a_call_in_the_same_instant_as_a_model_call_was_asked_for_by_the_one_before():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 2, 2, error="X", args="x"), model(2, 3), tool("t", 4, 5, args="x"))
    assert responses(run(tree)) == ["retried"]
    at_once = agent("a", 0, 9, tool("t", 0, 0, error="X", args="x"), model(0, 1), tool("u", 1, 2), model(3, 4))
    assert responses(run(at_once)) == ["concluded"]


def test_without_model_steps_calls_that_overlap_are_one_turn():
    overlap = tool("t", 1, 3, error="X", args="x"), tool("t", 2, 4, args="y")
    assert responses(run(agent("a", 0, 9, *overlap))) == ["concluded"]
    after = tool("t", 1, 3, error="X", args="x"), tool("t", 3, 4, args="y")
    assert responses(run(agent("a", 0, 9, *after))) == ["revised"]


def test_a_skipped_call_answers_nothing():
    assert responses(run(story(call("t", error="X", args="x"), call("t", args="x", skipped=True)))) == ["concluded"]


def test_each_agent_has_turns_of_its_own():
    """What another agent does meanwhile is no answer."""
    a = agent("a", 1, 8, model(1, 2), tool("t", 2, 3, error="X", args="x"), model(6, 7))
    b = agent("b", 1, 8, model(1, 2), model(4, 5), tool("t", 5, 6, args="x"))
    trajectory = run(wrapper(0, 9, a, b))
    assert responses(trajectory) == ["concluded"]
    assert recoveries(trajectory) == [True]  # the same tool succeeded after it had failed


def test_two_agent_spans_of_one_name_are_one_agent():
    first = agent("a", 0, 3, model(0, 1), tool("t", 1, 2, error="X", args="x"))
    second = agent("a", 4, 8, model(4, 5), tool("t", 5, 6, args="x"))
    assert responses(run(wrapper(0, 9, first, second))) == ["retried"]


# --- The caller's next turn. ---


def asks(*later, inner_error="X", after_ask=()):
    """a asks b, whose call fails and who does nothing more; then what a does."""
    b = agent("b", 2, 5, model(2, 3), tool("t", 3, 4, error=inner_error, args="x"))
    return agent("a", 0, 20, model(0, 1), tool("ask", 1, 6, b), *after_ask, model(9, 10), *later)


def test_if_an_agent_does_nothing_more_its_callers_next_turn_counts():
    assert responses(run(asks(tool("t", 11, 12, args="x")))) == ["retried"]
    assert responses(run(asks(tool("u", 11, 12)))) == ["rerouted"]
    assert responses(run(asks())) == ["concluded"]


def test_calls_of_the_turn_that_asked_are_no_response_either():
    assert responses(run(asks(after_ask=[tool("u", 7, 8)]))) == ["concluded"]
    assert responses(run(asks(tool("t", 11, 12, args="x"), after_ask=[tool("u", 7, 8)]))) == ["retried"]


def test_the_caller_of_the_caller_is_asked_too():
    c = agent("c", 3, 6, model(3, 4), tool("t", 4, 5, error="X", args="x"))
    b = agent("b", 2, 8, model(2, 3), tool("ask_c", 3, 7, c), model(7, 8))
    tree = agent("a", 0, 20, model(0, 1), tool("ask_b", 1, 9, b), model(9, 10), tool("t", 11, 12, args="x"))
    assert responses(run(tree)) == ["retried"]


def test_a_caller_that_asks_again_reroutes():
    again = tool("ask", 11, 15, agent("b2", 12, 14, model(12, 13)))
    assert responses(run(asks(again))) == ["rerouted"]


def test_agents_side_by_side_do_not_call_each_other():
    first = agent("a", 0, 3, model(0, 1), tool("t", 1, 2, error="X"))
    second = agent("b", 4, 8, model(4, 5), tool("u", 5, 6))
    assert responses(run(wrapper(0, 9, first, second))) == ["concluded"]


def test_a_failed_delegation_may_be_tried_again():
    b = agent("b", 12, 14, model(12, 13))
    failing = tool("ask", 1, 5, agent("b", 2, 4, model(2, 3)), error="TimeoutError", args="x")
    trajectory = run(
        agent("a", 0, 20, model(0, 1), failing, model(9, 10), tool("ask", 11, 15, b, args="x"), model(16, 17))
    )
    assert (responses(trajectory), recoveries(trajectory)) == (["retried"], [True])


# --- Failed model steps. ---


def test_a_failed_model_call_is_answered_by_the_agents_next_step():
    assert responses(run(agent("a", 0, 9, model(0, 1, error="RateLimitError"), model(2, 3)))) == ["retried"]
    assert responses(run(agent("a", 0, 9, model(0, 1, error="X"), tool("t", 2, 3)))) == ["rerouted"]
    assert responses(run(agent("a", 0, 9, model(0, 1, error="X")))) == ["abandoned"]


def test_it_is_recovered_when_the_same_agents_model_succeeds():
    assert recoveries(run(agent("a", 0, 9, model(0, 1, error="X"), model(2, 3, name="other")))) == [True]
    b = agent("b", 2, 4, model(2, 3))
    assert recoveries(run(wrapper(0, 9, agent("a", 0, 2, model(0, 1, error="X")), b))) == [False]


# --- Recovery. ---


def test_sane_is_not_recovered():
    trajectory = run(story(call("t", error="X", args="x"), call("u")))
    assert (responses(trajectory), recoveries(trajectory)) == (["rerouted"], [False])


def test_other_arguments_recover_in_a_later_turn_too():
    assert recoveries(run(story(call("t", error="X", args="x"), call("u"), call("t", args="y")))) == [True]


def test_an_earlier_success_recovers_nothing():
    assert recoveries(run(story(call("t", args="x"), call("t", error="X", args="x")))) == [False]


def test_another_agents_success_counts_once_the_failure_had_ended():
    a = agent("a", 1, 8, tool("t", 2, 5, error="X"))
    assert recoveries(run(wrapper(0, 9, a, agent("b", 1, 8, tool("t", 4, 6))))) == [False]
    assert recoveries(run(wrapper(0, 9, a, agent("b", 1, 8, tool("t", 5, 6))))) == [True]


def test_a_retrieval_and_a_tool_of_one_name_are_not_the_same():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(2, 3), retrieval("t", 3, 4))
    assert recoveries(run(tree)) == [False]


# --- Again. ---


def agains(*trees):
    return [step.again for step in run(*trees).steps if step.kind is not Kind.MODEL]


def test_a_call_is_made_again_if_it_had_failed_before():
    calls = call("t", error="X", args="x"), call("t", args="y"), call("t", error="X", args="x"), call("t", args="x")
    assert agains(story(*calls, call("t", args="x"))) == [False, False, True, True, False]


def test_parallel_calls_are_all_first_ones():
    calls = tool("t", 1, 3, error="X", args="x"), tool("t", 2, 4, args="x")
    assert agains(agent("a", 0, 9, model(0, 1), *calls)) == [False, False]


def test_a_tool_alone_trace_has_no_answers_but_counts_again():
    trajectory = run(other(0, 9, tool("t", 1, 2, error="X", args="x"), tool("t", 3, 4, args="x")))
    assert [step.again for step in trajectory.steps] == [False, True]
    assert (responses(trajectory), recoveries(trajectory), trajectory.outcome) == ([None], [None], None)


def test_a_step_that_only_has_a_status_is_an_unknown_error():
    status_only = made(Kind.TOOL, "t", 1, 2, status=ERROR, failure=Failure("", ErrorClass.UNKNOWN), arguments=b"x")
    tree = agent("a", 0, 9, model(0, 1), status_only, model(2, 3), tool("t", 3, 4, error="X", args="x"), model(5, 6))
    assert responses(run(tree)) == ["retried", "concluded"]
