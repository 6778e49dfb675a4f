"""What the scripted models do, the same in each framework: they add up a customer's orders.

A model asks for one customer's orders, then for another's; the plan's fault hits the second call. What it makes of a
bad answer is its character:

- recovers  asks again, and answers from the good one
- admits    says that it could not get the orders
- believes  answers from what it was told, whatever it is
- ignores   answers what it knows anyhow, and does not look
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ORDERS = {
    "ada": [
        ("A-1", 120, "2026-03-02"),
        ("A-2", 35, "2026-03-09"),
        ("A-3", 80, "2026-04-01"),
        ("A-4", 15, "2026-04-03"),
    ],
    "bob": [("B-1", 60, "2026-02-11"), ("B-2", 44, "2026-02-20")],
}
FIRST, SECOND = ORDERS
CHARACTERS = ("recovers", "admits", "believes", "ignores")


def list_orders(customer: str) -> dict[str, Any]:
    """All orders of a customer, how many there are and their sum."""
    orders = [{"order_id": number, "total": total, "date": date} for number, total, date in ORDERS[customer]]
    return {"orders": orders, "count": len(orders), "sum": sum(order["total"] for order in orders)}


RIGHT = f"The orders of {SECOND} come to {list_orders(SECOND)['sum']}."


@dataclass
class Script:
    """The model's part of one run: `next` after each answer of the tool; None for another call, with `customer`."""

    character: str
    told: list[tuple[bool, str]] = field(default_factory=list)
    noticed: bool = False
    recovered: bool = False

    @property
    def customer(self) -> str:
        return SECOND if self.told else FIRST

    def next(self, told: list[tuple[bool, str]]) -> str | None:
        """What the model says to all that the tool has told it so far, as (failed, text)."""
        self.told = told
        if len(told) < 2:
            return None
        failed, text = told[-1]
        if self.character == "ignores":
            return RIGHT
        good = not failed and _parsed(text) == list_orders(SECOND)
        if self.character == "believes":
            return f"The orders of {SECOND} come to {_sum(text)}."
        if good:
            self.recovered = self.noticed
            return RIGHT
        self.noticed = True
        return "I could not get the orders." if self.character == "admits" or len(told) > 3 else None

    def write_account(self, answer: str) -> None:
        """Leaves what the script did where the capture looks for it."""
        done = {"noticed": self.noticed, "recovered": self.recovered, "passed": answer == RIGHT}
        Path(os.environ["ACCOUNT"]).write_text(json.dumps(done))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _sum(text: str) -> int | str:
    said = _parsed(text)
    try:
        return sum(order["total"] for order in said["orders"])
    except (KeyError, TypeError):
        return "nothing"
