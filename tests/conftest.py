"""In CI a test that is skipped fails, unless its data cannot be there (marker `local_data`)."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("otelscore", deadline=None)  # a loaded machine is no failure
if not os.environ.get("CI"):  # hypothesis has a profile for CI, which sets no deadline either
    settings.load_profile("otelscore")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        os.environ.get("CI")
        and report.skipped
        and not hasattr(report, "wasxfail")
        and "local_data" not in item.keywords
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
