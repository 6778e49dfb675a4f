"""The examples in docstrings say what the code does."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import otelscore

MODULES = [module.name for module in pkgutil.walk_packages(otelscore.__path__, "otelscore.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
