"""Every metric that otelscore exports, in tables by what they are about."""

from otelscore.scoring.metrics.group import GROUP
from otelscore.scoring.metrics.metric import Metric, Per, Type
from otelscore.scoring.metrics.service import SERVICE
from otelscore.scoring.metrics.window import WINDOW

__all__ = ["METRICS", "PREFIX", "Metric", "Per", "Type"]

PREFIX = "otelscore_"

METRICS = {metric.name: metric for metric in (*WINDOW, *GROUP, *SERVICE)}
"""Every metric by its name without the prefix."""
