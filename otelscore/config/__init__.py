"""The settings: what there is (`settings`) and how it is given (`sources`)."""

from otelscore.config.settings import SETTINGS, Address, Config, Setting
from otelscore.config.sources import ConfigError, load

__all__ = ["SETTINGS", "Address", "Config", "ConfigError", "Setting", "load"]
