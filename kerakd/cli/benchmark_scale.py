"""`kerakd benchmark scale`: how the work grows with the data."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common


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

    \b
    Examples:
      kerakd benchmark scale --samples 1000 --samples 10000 --json scale.json
      kerakd benchmark scale --stage cache --stage epoch --work /scratch
    """
    common.check_writable(json)
    from kerakd.benchmark.scale import STAGES, benchmark_scale

    sizes = samples or (1_000, 10_000, 100_000, 1_000_000)
    figures = benchmark_scale(sizes, stage or STAGES, work, common.say)
    common.show_table(
        ("Stage", "Samples", "s", "s, processors", "us a sample", "MB before", "peak"),
        [
            [
                run["stage"],
                f"{run['samples']:,}",
                f"{run['seconds']:.1f}",
                f"{run['processor_seconds']:.1f}",
                f"{run['microseconds_a_sample']:.1f}",
                f"{run['megabytes_before']:,.0f}",
                f"{run['megabytes_peak']:,.0f}",
            ]
            for run in sorted(figures["runs"], key=lambda run: run["stage"])
        ],
    )
    common.write_figures(json, figures)
