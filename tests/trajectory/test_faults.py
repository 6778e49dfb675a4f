"""Which step a mark of an injected fault is about."""

from __future__ import annotations

from support import REMOTE, agent, model, other, run, span_id, tool, wrapper


def marked(trajectory):
    return [(step.name, step.fault, step.fault_noticed) for step in trajectory.steps if step.fault]


def test_the_mark_may_be_on_the_tools_own_span():
    trajectory = run(agent("a", 0, 9, model(0, 1), tool("t", 1, 2, fault="stale"), tool("u", 3, 4)))
    assert marked(trajectory) == [("t", "stale", None)]
    assert trajectory.fault == "stale"


def test_the_mark_may_be_on_a_span_inside():
    inside = other(1, 2, fault="delay")
    assert marked(run(agent("a", 0, 9, model(0, 1), tool("t", 1, 2, inside)))) == [("t", "delay", None)]


def test_the_mark_may_be_a_proxys_in_another_process():
    proxy = tool("t", 1.2, 1.8, fault="truncate", service="proxy", span_kind=2, flags=REMOTE)
    trajectory = run(agent("a", 0, 9, model(0, 1), tool("t", 1, 2, proxy)))
    assert marked(trajectory) == [("t", "truncate", None)]
    assert len(trajectory.steps) == 2


def test_the_mark_is_kept_where_two_instrumentations_report_one_call():
    reports = [
        tool("t", 1, 2, call_id="1", args="x", scope="fuller", has_result=True),
        tool("t", 1, 2, scope="other", fault="empty"),
    ]
    trajectory = run(agent("a", 0, 9, model(0, 1), *reports))
    assert marked(trajectory) == [("t", "empty", None)]
    assert len(trajectory.steps) == 2


def test_a_mark_in_no_step_is_the_runs():
    trajectory = run(agent("a", 0, 9, model(0, 1), fault="error"))
    assert trajectory.fault == "error"
    assert marked(trajectory) == []


def test_the_users_check_is_about_its_call_or_else_about_the_run():
    steps = [model(0, 1), tool("t", 1, 2, fault="stale", fault_noticed=False), tool("u", 3, 4, fault="empty")]
    assert marked(run(agent("a", 0, 9, *steps, fault_noticed=True))) == [("t", "stale", False), ("u", "empty", True)]


def test_the_answer_of_a_run_with_a_fault_is_known_without_any_failure():
    def acknowledged(**facts):
        return run(agent("a", 0, 9, model(0, 1), tool("t", 1, 2, fault="stale"), model(3, 4, **facts))).acknowledged

    assert acknowledged(acknowledges=True)
    assert not acknowledged(acknowledges=False)


def test_the_mark_of_a_proxy_below_no_call_is_about_the_one_during_which_it_happened():
    """As where an instrumentation never makes its spans current, so that the context is that of a span further up."""

    def seen(above, *calls):
        proxy = tool("t", 3.2, 3.8, fault="truncate", scope="proxy", span_kind=2, flags=REMOTE)
        trajectory = run(above(0, 9, agent("a", 0, 9, model(0, 1), *calls), proxy))
        assert trajectory.fault == "truncate"
        return [step.span_id for step in trajectory.steps if step.fault]

    for above in (other, wrapper):
        assert seen(above, tool("t", 1, 2), tool("t", 3, 4, id="hit", has_result=True)) == [span_id("hit")]
        assert seen(above, tool("other", 3, 4), tool("t", 3, 4, id="hit", has_result=True)) == [span_id("hit")]
        assert seen(above, tool("server_t", 3, 4, id="hit"), tool("t", 5, 6)) == [span_id("hit")]
        assert span_id("hit") not in seen(above, tool("t", 3, 4, args="x", id="hit"), tool("t", 3, 4, args="y"))
