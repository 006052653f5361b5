"""`kerakd audit` and `kerakd split`: what is in the data, and how it is divided."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common

_PANEL = "Data"


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("audit", rich_help_panel=_PANEL)(audit)
    app.command("split", rich_help_panel=_PANEL)(split)


_Folder = Annotated[
    str,
    typer.Argument(
        help="A folder, a name below --data, or `kaggle:OWNER/SLUG/versions/N`.",
    ),
]
_Groups = Annotated[
    str | None,
    typer.Option(
        help="What is of one patient: a regular expression on the file name, such as "
        "`patient_(\\d+)`, or a CSV file with the columns id and group.",
    ),
]
_Aliases = Annotated[
    bool,
    typer.Option("--aliases", help="Take `no_tumor` and `notumor` as one class."),
]


def audit(
    folder: _Folder,
    data: common.Data = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Where `audit.json`, the tables and the contact sheets go.",
        ),
    ] = None,
    groups: _Groups = None,
    aliases: _Aliases = False,
    probe: Annotated[
        bool,
        typer.Option(help="Train forests on border pixels and global statistics."),
    ] = True,
    sheets: Annotated[bool, typer.Option(help="Draw contact sheets.")] = True,
    seed: Annotated[int, typer.Option(help="Of the probe.")] = 0,
    json: common.Json = None,
) -> None:
    """Tell what makes a result on these images look better than it is.

    Copies inside and across splits and classes (mirrored, turned, recompressed and
    recoloured ones, too), contradicting labels, shortcuts that name the class, odd
    files. Needs no training and no GPU.

    \b
    Examples:
      kerakd audit brain-tumor-mri --data data --out audit
      kerakd audit lgg/kaggle_3m --data data --json audit.json
      kerakd audit scans --groups "patient_(\\d+)" --no-probe
    """
    from kerakd.cli.audit_text import show
    from kerakd.data import audit as look
    from kerakd.data import resolve
    from kerakd.files import make_folder

    common.check_writable(json)
    made = out is not None and not out.exists()
    if out is not None:
        make_folder(out)
        common.check_writable(out / "audit.json")
    try:
        where = resolve(folder, data)
        found = look(where, groups=groups, aliases=aliases, probe=probe, seed=seed)
    except BaseException:
        if made:
            out.rmdir()
        raise
    show(found)
    if out is not None:
        found.save(out, sheets=sheets, told=lambda path: print(f"Written: {path}"))
    common.write_figures(json, found.summary)


def split(
    folder: _Folder,
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
    groups: _Groups = None,
    grouped: Annotated[
        bool,
        typer.Option(
            "--grouped",
            help="Look for copies first and divide anew, so that no copy and no "
            "patient stands on both sides. The folders' own test set is not kept.",
        ),
    ] = False,
    audited: Annotated[
        Path | None,
        typer.Option(
            "--audit",
            metavar="DIR",
            help="An audit of these images (`kerakd audit --out DIR`), for --grouped.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Make so many folds instead of one split."),
    ] = None,
    aliases: _Aliases = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Leave out and list what cannot be read."),
    ] = False,
    json: common.Json = None,
) -> None:
    """Divide a folder of images, every class in its share, no group torn apart.

    A test (or validation) folder that the data bring is kept as it is, unless
    `--grouped` or `--folds` says otherwise. With `--folds 5`, `fold_0` to `fold_4`
    below --out each hold their own `samples.csv` and `splits.json`.

    \b
    Examples:
      kerakd split brain-tumor-mri --data data --out splits
      kerakd split brain-tumor-mri --data data --grouped --out splits
      kerakd split brain-tumor-mri --data data --grouped --folds 5 --out folds
      kerakd split scans --test 0.2 --groups "patient_(\\d+)" --out splits
    """
    from kerakd.cli.audit_text import show_counts
    from kerakd.data import folds as fold
    from kerakd.data import load_images, resolve
    from kerakd.data import split as divide
    from kerakd.data.audit.clusters import clusters_for
    from kerakd.errors import RecipeError

    common.check_writable(json)
    if audited is not None and not grouped:
        raise RecipeError("--audit says which images are copies; add --grouped.")
    if folds is not None and test is not None:
        raise RecipeError(
            "--folds tests every image once, so that --test has no meaning; leave one "
            "of them out."
        )
    samples = load_images(
        resolve(folder, data), aliases=aliases, skip_bad=skip_bad, groups=groups
    )
    clusters = clusters_for(samples, audited) if grouped else None
    if folds is None:
        parts = {
            out: divide(
                samples,
                validation=validation,
                test=test,
                seed=seed,
                clusters=clusters,
                grouped=grouped,
            )
        }
    else:
        tables = fold(samples, folds, seed, clusters, validation=validation)
        parts = {out / f"fold_{i}": one for i, one in enumerate(tables)}
    figures = []
    for place, one in parts.items():
        figures.append(_write_split(place, one, show_counts))
    if folds is None:
        common.write_figures(json, figures[0])
    else:
        common.write_figures(json, {"folds": figures})


def _write_split(place: Path, samples, show_counts) -> dict:
    from kerakd.data import save_splits

    samples.save(place / "samples.csv")
    path = save_splits(samples, place / "splits.json")
    show_counts(samples)
    for line in samples.remarks:
        print(f"Note: {line}")
    print(f"Splits: {path}")
    return {"counts": samples.counts, "notes": samples.notes}
