"""Draws the dashboards with real figures, from the project's root: `python -m dashboards.pictures http://127.0.0.1:9090`.

No Grafana server is needed: Grafana's own components (`render/`, from npm) draw the JSON in a headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

from dashboards.answers import Span, answer, choose, load

RENDER = Path(__file__).parent / "render"
WIDTH, HEAD, CELL = 1500, 92, 38  # as in render/page.tsx
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="{style}"><div id="page"></div>
<script>const SHOWN = {shown};</script><script src="{script}"></script>"""


def bundle(folder: Path) -> Path:
    """The renderer as one script."""
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=RENDER, check=True)
    script = folder / "page.js"
    subprocess.run(["npm", "run", "--silent", "bundle", "--", f"--outfile={script}"], cwd=RENDER, check=True)
    return script


def gather(dashboard: dict[str, Any], url: str, span: Span, wanted: dict[str, str]) -> dict[str, Any]:
    """All that the page needs to draw a dashboard."""
    values = choose(dashboard, url, span, wanted)
    answers = {
        panel["id"]: [
            {
                "refId": target["refId"],
                "format": target["format"],
                "legend": target.get("legendFormat", ""),
                "step": span.step,
                "instant": target.get("instant", False),
                "series": answer(target, url, span, values),
            }
            for target in panel.get("targets", [])
        ]
        for panel in dashboard["panels"]
    }
    return {"dashboard": dashboard, "answers": answers, "values": values, "start": span.start, "end": span.end}


def draw(shown: dict[str, Any], script: Path, picture: Path) -> None:
    height = HEAD + CELL * max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in shown["dashboard"]["panels"])
    page = script.with_name(f"{picture.stem}.html")
    page.write_text(
        PAGE.format(shown=json.dumps(shown).replace("</", "<\\/"), script=script.name, style=f"{script.stem}.css")
    )
    command = ["chromium", "--headless", "--hide-scrollbars", f"--window-size={WIDTH},{height}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium's sandbox refuses to work for root
    command += ["--virtual-time-budget=10000", f"--screenshot={picture.resolve()}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    drawn = Image.open(picture).convert("RGB")
    # Half the size; of the colours those that differ most, else the small ones of legends become their neighbours.
    drawn.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url", help="of a Prometheus that has scraped otelscore")
    arguments.add_argument("--minutes", type=float, default=60, help="that are shown")
    arguments.add_argument("--scrape-interval", type=float, default=5, help="of that Prometheus, in seconds")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of a variable")
    arguments.add_argument("--only", nargs="*", help="names of dashboards")
    arguments.add_argument("--folder", type=Path, default=Path("docs"))
    chosen = arguments.parse_args()
    now = time.time()
    span = Span(now - 60 * chosen.minutes, now, chosen.scrape_interval)
    with tempfile.TemporaryDirectory() as folder:
        script = bundle(Path(folder))
        for name, dashboard in load().items():
            if not chosen.only or name in chosen.only:
                shown = gather(dashboard, chosen.url, span, dict(one.split("=") for one in chosen.set))
                draw(shown, script, chosen.folder / f"dashboard-{name}.png")


if __name__ == "__main__":
    main()
