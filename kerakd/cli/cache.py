"""`kerakd cache ...`: what a teacher said, kept on disk."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kerakd.cli import common

app = typer.Typer(
    no_args_is_help=True,
    help="Ask a teacher once, and train any number of students from what it said.",
)

CachePath = Annotated[Path, typer.Argument(help="A cache's folder.")]
RunPath = Annotated[
    Path,
    typer.Argument(help="A run whose teacher is trained."),
]


@app.command("build")
def build(
    run: RunPath,
    out: Annotated[
        Path, typer.Option("--out", metavar="CACHE", help="The cache's folder.")
    ],
    data: common.Data = None,
    views: Annotated[
        int | None,
        typer.Option(min=1, help="Views of each picture. Default: the recipe's."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="`exact`, or `compact` for half the size. Default: recipe."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="The I-th of N parts alone, for N machines; `merge` joins them.",
        ),
    ] = None,
    json: common.Json = None,
) -> None:
    """Ask the teacher of a run about every training picture in every view.

    The folder may be carried to another machine. A build that was stopped goes on.

    \b
    Examples:
      kerakd train-teacher RECIPE --data data --out runs/mri
      kerakd cache build runs/mri --data data --views 4 --out cache
      kerakd cache build runs/mri --data data --shard 2/8 --out parts/2
      kerakd distill RECIPE --data data --teacher runs/mri/teacher.keras \\
        --cache cache --out runs/small
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.distillation.cache import shards
    from kerakd.run.caching import build_cache

    part = None if shard is None else shards.parse(shard)
    described = build_cache(run, out, data=data, views=views, mode=mode, shard=part)
    _show(described)
    common.write_figures(json, described)


@app.command("merge")
def merge(
    parts: Annotated[
        list[Path], typer.Argument(help="The folders of all shards, in any order.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="CACHE", help="The whole cache's folder.")
    ],
    json: common.Json = None,
) -> None:
    """Join the shards of a cache, and verify every number that is copied.

    A shard that is missing, comes twice or is of another cache is refused by name.

    \b
    Examples:
      kerakd cache merge parts/* --out cache
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.distillation import TeacherCache

    described = TeacherCache.merge(parts, out).describe()
    _show(described)
    common.write_figures(json, described)


@app.command("verify")
def verify(
    run: RunPath,
    cache: CachePath,
    data: common.Data = None,
    batches: Annotated[int, typer.Option(min=1, help="How many to ask about.")] = 16,
    seed: Annotated[int, typer.Option(help="Of which ones.")] = 0,
    json: common.Json = None,
) -> None:
    """Ask the teacher again about a random part of a cache, and compare.

    \b
    Examples:
      kerakd cache verify runs/mri cache --data data
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.run.caching import verify_cache

    found = verify_cache(run, cache, data=data, count=batches, seed=seed)
    print(
        f"{found['samples']} pictures in {found['batches']} batches: the logits differ "
        f"by at most {found['max_abs_difference']:.2e}."
    )
    for name, difference in found.get("features", {}).items():
        print(f"Layer {name}: by at most {difference:.2e}.")
    common.write_figures(json, found)


@app.command("info")
def info(cache: CachePath, json: common.Json = None) -> None:
    """Tell what a cache holds, and check all of its numbers against their checksums.

    \b
    Examples:
      kerakd cache info cache
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.distillation import TeacherCache

    described = TeacherCache.open(cache, complete=False).describe()
    _show(described)
    common.write_figures(json, described)


def _show(described: dict[str, Any]) -> None:
    there, blocks = described["blocks"]
    shape = " x ".join(map(str, described["output_shape"]))
    layers = ", ".join(name for _, name in described["layers"]) or "none"
    part = described.get("shard")
    rows = [
        *([["Shard", f"{part['number']} of {part['of']}"]] if part else []),
        ["Folder", described["path"]],
        ["Samples x views", f"{described['samples']:,} x {described['views']}"],
        ["Batches there", f"{there} of {blocks}"],
        ["Logits (teachers first)", shape],
        ["Layers", layers],
        ["Size", f"{described['bytes'] / 1e6:,.2f} MB"],
        ["Size of a picture", f"{described['bytes_a_picture']:,.1f} bytes"],
        ["Rounding error at most", f"{described['largest_coding_error']:.2g}"],
    ]
    common.show_table((f"Teacher cache, {described['mode']}", ""), rows)
