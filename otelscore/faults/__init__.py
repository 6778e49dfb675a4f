"""Faults on purpose: what is injected into tool calls, recorded of them and played back. docs/faults.md explains it.

`inject` works around any Python callable and needs nothing but a plan; the service does not depend on this room.
"""

from otelscore.faults.cassette import Cassette, CassetteError, MissError, Player, Recorder
from otelscore.faults.inject import inject
from otelscore.faults.plan import FaultPlan, PlanError, Rule, load_plan

__all__ = [
    "Cassette",
    "CassetteError",
    "FaultPlan",
    "MissError",
    "PlanError",
    "Player",
    "Recorder",
    "Rule",
    "inject",
    "load_plan",
]
