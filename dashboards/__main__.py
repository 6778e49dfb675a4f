"""Writes the dashboards as JSON, for Grafana to load. Run it from the project's root: `python -m dashboards`."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.agent import agent
from dashboards.answers import FOLDER
from dashboards.fleet import fleet
from dashboards.service import service
from dashboards.tool import tool


def written() -> dict[str, str]:
    """The name of each file, and what it should hold."""
    dashboards = {"fleet": fleet(), "agent": agent(), "tool": tool(), "otelscore": service()}
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{name}.json": encoder.encode(dashboard) + "\n" for name, dashboard in dashboards.items()}


if __name__ == "__main__":
    for name, content in written().items():
        (FOLDER / name).write_text(content)
