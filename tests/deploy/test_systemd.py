"""The systemd unit, judged by systemd."""

from __future__ import annotations

import re

from deploy.tools import DEPLOY, approved, run

from otelscore.config import SETTINGS

UNIT = DEPLOY / "systemd" / "otelscore.service"


def test_systemd_understands_every_line(tmp_path):
    installed = tmp_path / UNIT.name
    installed.write_text(UNIT.read_text().replace("/opt/otelscore/bin/otelscore", "/bin/true"))
    said = run("systemd-analyze", "verify", "--man=no", installed)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_it_can_do_little_harm():
    """Of 0 (nothing) to 10 (anything); units without any hardening have 9.6."""
    said = approved("systemd-analyze", "security", "--offline=true", UNIT)
    assert float(re.findall(r"Overall exposure level for otelscore.service: ([\d.]+)", said)[0]) < 2


def test_its_settings_exist():
    assert set(re.findall(r"OTELSCORE_[A-Z_]+", UNIT.read_text())) <= {setting.env for setting in SETTINGS}
