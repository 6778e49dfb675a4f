from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from otelscore.doors.watched import DoorError, Watched


class Number:
    """A file with a number in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0

    def read(self) -> int:
        self.reads += 1
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            raise DoorError(f"{self.path} holds no number") from None


@pytest.fixture
def number(tmp_path: Path) -> Number:
    number = Number(tmp_path / "number")
    number.path.write_text("1")
    return number


def test_a_file_is_read_when_it_changes_and_only_then(number):
    watched = Watched([str(number.path)], number.read)
    assert [watched.get(), watched.get(), number.reads] == [1, 1, 1]
    number.path.write_text("22")
    assert [watched.get(), watched.get(), number.reads] == [22, 22, 2]


def test_a_link_that_leads_elsewhere_is_a_change(number, tmp_path):
    """So Kubernetes renews what it mounts."""
    other = tmp_path / "other"
    other.write_text("2")
    link = tmp_path / "link"
    link.symlink_to(number.path)
    number.path = link
    watched = Watched([str(link)], number.read)
    assert watched.get() == 1
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").replace(link)
    assert watched.get() == 2


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("none"), lambda path: path.unlink()])
def test_what_a_file_said_holds_while_it_cannot_be_used_and_the_log_says_so_once(number, spoil):
    watched = Watched([str(number.path)], number.read)
    spoil(number.path)
    with capture_logs() as logs:
        assert [watched.get(), watched.get()] == [1, 1]
    assert [(line["log_level"], line["reason"]) for line in logs] == [("error", f"{number.path} holds no number")]
    number.path.write_text("333")
    assert watched.get() == 333


def test_a_file_that_cannot_be_used_from_the_start_is_an_error(number):
    number.path.unlink()
    with pytest.raises(DoorError, match="holds no number"):
        Watched([str(number.path)], number.read)
