"""Chance that can be repeated: every throw follows from what it is about, and from nothing before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dice:
    """The throws of one call. The same seed, run, tool and number (from 1) give the same ones on every machine."""

    seed: int
    run: str
    tool: str
    call: int

    @property
    def fault_id(self) -> str:
        """Names a fault that hits this call: 16 hex digits."""
        return self._digest("id").hex()

    def fraction(self, what: str) -> float:
        """A number in [0, 1), another one for each thing that is asked.

        >>> 0 <= Dice(1, "run", "search", 1).fraction("hit") < 1
        True
        """
        return (int.from_bytes(self._digest(what)) >> 11) / 2**53

    def pick(self, what: str, options: Sequence[T]) -> T:
        """One of some options, all alike likely."""
        return options[int(self.fraction(what) * len(options))]

    def _digest(self, what: str) -> bytes:
        parts = (str(self.seed), self.run, self.tool, str(self.call), what)
        text = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
        return blake2b(text, digest_size=8, person=b"otelscore-faults").digest()
