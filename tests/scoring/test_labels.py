from __future__ import annotations

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


@pytest.mark.parametrize("extra", [["tool"], ["window"], ["a.b", "a_b"], ["1st"], ["__name__"], [""], ["service.name"]])
def test_a_label_that_cannot_be_is_refused(extra):
    with pytest.raises(ValueError, match="cannot be a label"):
        group_names(extra)
