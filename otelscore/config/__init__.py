"""The settings: what there is (`settings`), how values are written (`forms`), and how they are given (`sources`)."""

from otelscore.config.forms import Address
from otelscore.config.setting import Setting
from otelscore.config.settings import LIMITS, SETTINGS, Config
from otelscore.config.sources import ConfigError, load

__all__ = ["LIMITS", "SETTINGS", "Address", "Config", "ConfigError", "Setting", "load"]
