"""`kerakd benchmark scale`: how the work grows with the data."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common
from kerakd.cli.rows import Rows

_COLUMNS = (
    ("Stage", 10),
    ("Samples", 9),
    ("s", 8),
    ("s, processors", 8),
    ("us a sample", 8),
    ("MB before", 8),
    ("peak", 6),
)


def add_to(app: typer.Typer) -> None:
    """Add this command to `kerakd benchmark`."""
    app.command("scale")(scale)


def scale(
    samples: Annotated[
        list[int] | None,
        typer.Option(
            min=1000, help="How many; repeat it. Default: 1,000 to 1,000,000, by tens."
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            help="`audit`, `cache`, `epoch` or `evaluation`; repeat it. Default: all."
        ),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder with room for 1 kB a sample. Default: a temporary one.",
        ),
    ] = None,
    json: common.Json = None,
) -> None:
    """Time and memory of audit, teacher cache, cached epoch and evaluation by size.

    Each row is printed, and the file of --json written anew, as soon as its stage is
    measured.

    \b
    Examples:
      kerakd benchmark scale --samples 1000 --samples 10000 --json scale.json
      kerakd benchmark scale --stage cache --stage epoch --work /scratch
    """
    common.check_writable(json)
    from kerakd.benchmark.scale import STAGES, benchmark_scale
    from kerakd.files import write_json

    rows = None

    def tell(figures: dict) -> None:
        nonlocal rows
        rows = rows or Rows(_COLUMNS)
        run = figures["runs"][-1]
        rows.add(
            [
                run["stage"],
                f"{run['samples']:,}",
                f"{run['seconds']:.1f}",
                f"{run['processor_seconds']:.1f}",
                f"{run['microseconds_a_sample']:.1f}",
                f"{run['megabytes_before']:,.0f}",
                f"{run['megabytes_peak']:,.0f}",
            ]
        )
        if json is not None:
            write_json(json, figures)

    sizes = samples or (1_000, 10_000, 100_000, 1_000_000)
    figures = benchmark_scale(sizes, stage or STAGES, work, common.say, tell)
    common.write_figures(json, figures)
