from __future__ import annotations

import json

import pytest

from otelscore.model import Origin
from otelscore.scoring.labels import LONGEST, OVERFLOW, LabelLimiter, group_names


def test_values_beyond_the_limit_become_one_and_are_counted_by_label():
    limiter = LabelLimiter(2)
    assert [limiter.value("tool", name) for name in "abcabd"] == ["a", "b", OVERFLOW, "a", "b", OVERFLOW]
    assert limiter.overflows["tool"] == 2


def test_each_label_has_a_limit_of_its_own():
    limiter = LabelLimiter(1)
    assert [limiter.value(label, "a") for label in ("tool", "agent")] == ["a", "a"]
    assert not any(limiter.overflows.values())


def test_empty_stays_empty_and_takes_no_room():
    limiter = LabelLimiter(1)
    assert [limiter.value("tool", name) for name in ("", "a", "", "b")] == ["", "a", "", OVERFLOW]


def test_values_are_cut_and_cleaned():
    limiter = LabelLimiter(10)
    assert limiter.value("tool", "x" * 1000) == "x" * LONGEST
    assert limiter.value("tool", "a\nb\x00c\ud800d\u202ee") == "a_b_c_d_e"
    assert limiter.value("tool", 'Größe "x" \\') == 'Größe "x" \\'


def test_the_group_of_a_trajectory_is_service_agent_and_what_the_user_adds(run):
    limiter = LabelLimiter(10, ["service.version", "deployment.environment.name", "model", "tenant"])
    trajectory = run(origin=Origin("shop", tenant="acme"), labels={"service.version": "1.2"})
    assert dict(zip(limiter.names, limiter.group(trajectory), strict=True)) == {
        "service_name": "shop",
        "agent": "planner",
        "service_version": "1.2",
        "deployment_environment_name": "",
        "model": "some-model",
        "tenant": "acme",
    }


def test_nobody_passes_for_another_tenant_but_where_no_token_tells_an_attribute_may(run):
    limiter = LabelLimiter(10, ["tenant"])
    said = {"tenant": "beta"}
    assert limiter.group(run(origin=Origin("shop", tenant="acme"), labels=said)) == ("shop", "planner", "acme")
    assert limiter.group(run(origin=Origin("shop"), labels=said)) == ("shop", "planner", "beta")


@pytest.mark.parametrize("extra", [["tool"], ["window"], ["a.b", "a_b"], ["1st"], ["__name__"], [""], ["service.name"]])
def test_a_label_that_cannot_be_is_refused(extra):
    with pytest.raises(ValueError, match="cannot be a label"):
        group_names(extra)


def test_a_value_that_nobody_uses_is_let_go_and_its_place_is_free():
    limiter = LabelLimiter(2, hold=100.0)
    assert limiter.release(1000.0) == {}
    assert [limiter.value("tool", name) for name in "ab"] == ["a", "b"]
    assert limiter.release(1099.0) == {}
    limiter.value("tool", "a")
    assert limiter.release(1100.0) == {"tool": {"b"}}
    assert [limiter.value("tool", name) for name in "cba"] == ["c", OVERFLOW, "a"]
    assert limiter.release(1200.0) == {"tool": {"a", "c"}}


def test_the_values_of_a_group_are_used_again_without_the_run(run):
    limiter = LabelLimiter(1, ["tenant"], hold=100.0)
    assert limiter.group(run()) == ("shop", "planner", "")
    limiter.release(60.0)
    limiter.use_group(("shop", OVERFLOW, ""))
    assert limiter.release(100.0) == {"agent": {"planner"}}
    assert limiter.release(160.0) == {"service_name": {"shop"}}


def test_a_restart_is_no_time_without_use():
    before, after = LabelLimiter(2, hold=100.0), LabelLimiter(2, hold=100.0)
    before.release(1000.0)
    before.value("tool", "a")
    before.release(1030.0)
    before.value("tool", "b")
    after.load(json.loads(json.dumps(before.dump())), 5000.0)
    assert after.value("tool", "c") == OVERFLOW
    assert after.release(6099.0) == {}
    assert after.release(6100.0) == {"tool": {"a"}}
    assert after.release(6130.0) == {"tool": {"b"}}


def test_it_is_told_when_a_value_came_or_went_but_not_when_one_was_used():
    limiter = LabelLimiter(2, hold=100.0)
    limiter.value("tool", "a")
    assert limiter.changed
    limiter.changed = False
    limiter.release(50.0)
    limiter.value("tool", "a")
    assert not limiter.changed
    limiter.release(150.0)
    assert limiter.changed


def test_uses_are_worth_dumping_now_and_then_also_in_one_life_after_another():
    limiter = LabelLimiter(2, hold=1e6)
    limiter.release(1000.0)
    limiter.value("tool", "a")
    limiter.dump()
    limiter.changed = False
    limiter.release(1599.0)
    assert not limiter.is_unsaved
    again = LabelLimiter(2, hold=1e6)
    again.load(limiter.dump() | {"dumped": 1000.0}, 50.0)
    again.release(1649.0)
    assert not again.is_unsaved
    again.release(1650.0)
    assert again.is_unsaved
