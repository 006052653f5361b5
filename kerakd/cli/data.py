"""`kerakd split`: images into training, validation and test."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common

_PANEL = "Data"


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("split", rich_help_panel=_PANEL)(split)


def split(
    folder: Annotated[
        str,
        typer.Argument(
            help="A folder, a name below --data, or `kaggle:OWNER/SLUG/versions/N`.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where `samples.csv` and `splits.json` go.",
        ),
    ],
    data: common.Data = None,
    validation: Annotated[
        float, typer.Option(help="Share of the training images for validation.")
    ] = 0.2,
    test: Annotated[
        float | None,
        typer.Option(help="Share for the test, where the folder has no test images."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    groups: Annotated[
        str | None,
        typer.Option(
            help="What must stay together: a regular expression on the file name, such "
            "as `patient_(\\d+)`, or a CSV file.",
        ),
    ] = None,
    aliases: Annotated[
        bool,
        typer.Option("--aliases", help="Take `no_tumor` and `notumor` as one class."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out and list what cannot be read."),
    ] = False,
    json: common.Json = None,
) -> None:
    """Divide a folder of images, every class in its share, no group torn apart.

    A test (or validation) folder that the data bring is kept as it is.

    \b
    Examples:
      kerakd split brain-tumor-mri --data data --out splits
      kerakd split scans --test 0.2 --groups "patient_(\\d+)" --out splits
    """
    from kerakd.data import load_images, resolve, save_splits
    from kerakd.data import split as divide
    from kerakd.data.remarks import remarks

    common.check_writable(json)
    samples = load_images(
        resolve(folder, data), aliases=aliases, skip_bad=skip_bad, groups=groups
    )
    samples = divide(samples, validation=validation, test=test, seed=seed)
    samples.save(out / "samples.csv")
    path = save_splits(samples, out / "splits.json")
    counts = samples.counts
    rows = [
        [name, *(str(counts[one][name]) for one in counts)]
        for name in samples.class_names
    ]
    rows.append(["all", *(str(sum(one.values())) for one in counts.values())])
    common.show_table(("Class", *counts), rows)
    for line in remarks(samples.notes):
        print(f"Note: {line}")
    print(f"Splits: {path}")
    common.write_figures(json, {"counts": counts, "notes": samples.notes})
