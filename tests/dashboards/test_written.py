"""The JSON that Grafana loads is what the code says."""

from __future__ import annotations

import itertools

from dashboards.__main__ import written
from dashboards.answers import FOLDER, load


def test_the_json_is_up_to_date():
    """Else: `python -m dashboards`."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == written()


def test_addresses_stay():
    """Alerts and the dashboards themselves link to these."""
    assert {name: dashboard["uid"] for name, dashboard in load().items()} == {
        "agent": "otelscore-agent",
        "fleet": "otelscore-fleet",
        "otelscore": "otelscore-service",
        "tool": "otelscore-tool",
    }


def test_panels_neither_overlap_nor_leave_the_grid():
    for name, dashboard in load().items():
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places), name
        cells = [
            (place["x"] + x, place["y"] + y) for place in places for x in range(place["w"]) for y in range(place["h"])
        ]
        assert len(cells) == len(set(cells)), name


def test_panels_have_numbers_of_their_own():
    for dashboard in load().values():
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert numbers == list(range(1, len(numbers) + 1))


def test_overrides_are_of_fields_that_are_there():
    """A colour or a width that is given to a name that no query or transformation gives is lost without a word."""
    for dashboard in load().values():
        for panel in dashboard["panels"]:
            legends = {target["legendFormat"] for target in panel.get("targets", ())}
            if "fieldConfig" not in panel or any("{{" in legend for legend in legends):
                continue
            renamed = [one["options"].get("renameByName", {}) for one in panel.get("transformations") or ()]
            kept = {panel["options"].get("xField")}
            known = legends | kept | set(itertools.chain.from_iterable(names.values() for names in renamed))
            named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
            assert named <= known, panel["title"]
