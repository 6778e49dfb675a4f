"""A picture of how far runs come, and of how far p^N says they would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from otelscore.scoring.intervals import success_interval
from otelscore.scoring.projection import REACHED, fit_step_success
from otelscore.scoring.rows import Row
from otelscore.scoring.survival import SUPPORT, kaplan_meier
from otelscore.scoring.window import sums_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg")

CAPTION = """\
Blue: the share of runs that came so far without an unrecovered failed step (Kaplan-Meier), with its 95% band; it ends
where fewer than {support} runs came so far. Dashed: p^N, as if every failed step were the end and all runs alike.
{verdicts}"""

_JUDGED = (
    "Line with circles: the share of tasks done in runs of N steps, as the {count} verdicts say; with its 95% band."
)
_UNJUDGED = "No verdicts say whether the tasks were done, so nothing here does."


def check_plot(path: Path) -> None:
    """Raises click.UsageError where a picture could not be drawn to `path`."""
    if path.suffix.lower() not in FORMATS:
        raise click.UsageError(f"--plot: {path}: a picture ends in {' or '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise click.UsageError("--plot needs matplotlib: pip install 'otelscore[plot]'") from None


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draws the survival of the runs with its band, the naive p^N and what verdicts project, side by side.

    Raises:
        click.UsageError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    whole = sums_of(rows)
    longest = max((row.steps for row in rows), default=0)
    if not longest:
        raise click.UsageError("--plot: no run has a step, so there is nothing to draw")
    figure = Figure(figsize=(9, 5.6), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.08, 0.24, 0.89, 0.68))

    points = [point for point in kaplan_meier(whole.survival, range(1, longest + 1)) if point.survival is not None]
    steps, shares = [0, *(point.steps for point in points)], [1.0, *(point.survival or 0.0 for point in points)]
    bands = [(1.0, 1.0), *(point.interval or (0.0, 1.0) for point in points)]
    axes.step(steps, shares, where="post", color="#1f77b4", linewidth=2, label="no unrecovered failure, as observed")
    _fill(axes, steps, bands, "#1f77b4", step="post")

    success = whole.steps.success or 0.0
    lengths = list(range(longest + 1))
    label = f"naive p^N with p = {success:.3f}"
    axes.plot(lengths, [success**n for n in lengths], "--", color="#7f7f7f", label=label)
    interval = success_interval(whole.steps)
    if interval is not None:
        _fill(axes, lengths, [(interval[0] ** n, interval[1] ** n) for n in lengths], "#7f7f7f")

    fit = fit_step_success(whole.passes)
    if fit is not None:
        reached = [n for n in lengths[1:] if whole.passes.reached(n) >= REACHED]
        projected, every = [fit.after(n) for n in reached], max(len(reached) // 12, 1)
        axes.plot(
            reached, projected, "o-", color="#d62728", markersize=4, markevery=every, label="task done, by verdicts"
        )
        _fill(axes, reached, [fit.bounds_after(n) for n in reached], "#d62728")

    axes.set(xlim=(0, longest), ylim=(0, 1.02), xlabel="steps", ylabel="share of runs")
    axes.set_title(f"How far {len(rows)} runs come", loc="left", fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    verdicts = _JUDGED.format(count=whole.verdicts) if fit is not None else _UNJUDGED
    figure.text(0.08, 0.035, CAPTION.format(support=SUPPORT, verdicts=verdicts), fontsize=8.5, color="#444444")
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise click.UsageError(f"--plot: {path}: {error.strerror}") from None


def _fill(
    axes: Axes,
    steps: Sequence[int],
    bands: Sequence[tuple[float, float]],
    color: str,
    step: Literal["post"] | None = None,
) -> None:
    lower, upper = [band[0] for band in bands], [band[1] for band in bands]
    axes.fill_between(steps, lower, upper, step=step, color=color, alpha=0.15, linewidth=0)
