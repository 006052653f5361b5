"""`kerakd benchmark model` and `int8`: exported files, and whether int8 pays."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common
from kerakd.cli.rows import Rows

_INT8_COLUMNS = (
    ("Network", 32),
    ("float32 ms", 10),
    ("int8 ms", 8),
    ("Ratio", 6),
    ("Quartiles", 12),
    ("Bar", 5),
    ("Size", 6),
    ("Error", 6),
    ("Parts", 5),
    ("s", 5),
)


def add_to(app: typer.Typer) -> None:
    """Add these commands to `kerakd benchmark`."""
    app.command("model")(model)
    app.command("int8")(int8)


def model(
    files: Annotated[
        list[Path], typer.Argument(help="`.tflite` files, the float32 one first.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Also measure accuracy on these images."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="`train`, `validation`, `test`, or `all` images.")
    ] = "test",
    seconds: Annotated[
        float, typer.Option(help="Time on 1 and on 2 threads, each about this long.")
    ] = 3.0,
    pareto: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw what is kept over cost.")
    ] = None,
    json: common.Json = None,
) -> None:
    """How large, fast and accurate are exported files?

    The files take turns, and are run with LiteRT alone.

    \b
    Examples:
      kerakd benchmark model student_float32.tflite student_int8.tflite
      kerakd benchmark model runs/mri/*.tflite --data data --pareto pareto.png
    """
    common.check_writable(json)
    common.check_writable(pareto)
    from kerakd.benchmark import benchmark_models
    from kerakd.cli.compress import show_variants

    pictures = None
    if data is not None:
        common.load_tensorflow()
        from kerakd.run.compressing import pictures_for

        pictures = pictures_for(files[0], data, split)
    figures = benchmark_models(files, pictures, seconds=seconds)
    show_variants(figures)
    if pareto is not None:
        from kerakd.report.compression import draw_pareto

        draw_pareto(figures, pareto)
        print(f"Figure: {pareto}")
    common.write_figures(json, figures)


def int8(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="`mobilenet_v3_small` (hard-swish in float), "
            "`mobilenet_v3_small_integer_only`, `mobilenet_v2`, `resnet50`, "
            "`unet_student`, `efficientnet_v2_b0`, `unet_teacher` or `alexnet`; repeat "
            "it. Default: all."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long each network is timed.")
    ] = 10.0,
    json: common.Json = None,
) -> None:
    """Is int8 faster than float32?

    Both files of each network take turns on 2 threads. Each row is printed, and the
    file of --json written anew, as soon as its network is done.

    \b
    Examples:
      kerakd benchmark int8 --json int8.json
      kerakd benchmark int8 --model mobilenet_v2 --model unet_student --seconds 5
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark import benchmark_int8
    from kerakd.files import write_json

    rows = None

    def tell(figures: dict) -> None:
        nonlocal rows
        rows = rows or Rows(_INT8_COLUMNS)
        name, one = list(figures["cases"].items())[-1]
        ratio = one["ratio"]
        rows.add(
            [
                name,
                *(f"{one[mode]['median_ms']:.2f}" for mode in ("float32", "int8")),
                f"{ratio['median']:.2f}",
                f"{ratio['lower_quartile']:.2f} to {ratio['upper_quartile']:.2f}",
                f"{one['bar']:.2f}",
                *(f"{one[key]:.3f}" for key in ("size_ratio", "relative_error")),
                str(one["partitions"]),
                f"{one['seconds']:.0f}",
            ]
        )
        rows.note(f"way: {one['chosen']}")
        for outside in one["outside"]:
            rows.note(
                f"outside XNNPACK: {outside['count']} {outside['operator']} "
                f"({outside['reason']})"
            )
        if json is not None:
            write_json(json, figures)

    figures = benchmark_int8(model or None, seconds, say=common.say, tell=tell)
    common.write_figures(json, figures)
