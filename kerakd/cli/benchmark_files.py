"""`kerakd benchmark model` and `int8`: exported files, and whether int8 pays."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common


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
    cases: Annotated[
        list[str] | None, typer.Argument(help="Networks; all by default.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="How long each network is timed.")
    ] = 10.0,
    json: common.Json = None,
) -> None:
    """Is int8 faster than float32?

    Both files of each network take turns on 2 threads.

    \b
    Examples:
      kerakd benchmark int8 mobilenet_v2 unet_student --json int8.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark import benchmark_int8

    figures = benchmark_int8(cases or None, seconds)
    rows = [
        [
            name,
            *(f"{one[mode]['median_ms']:.2f}" for mode in ("float32", "int8")),
            *(f"{one[key]:.2f}" for key in ("ratio", "bar")),
            *(f"{one[key]:.3f}" for key in ("size_ratio", "relative_error")),
            str(one["partitions"]),
            ", ".join(one["outside_xnnpack"]),
            one["chosen"],
        ]
        for name, one in figures["cases"].items()
    ]
    headings = ("Network", "float32 ms", "int8 ms", "Ratio", "Bar", "Size", "Error")
    common.show_table((*headings, "Parts", "Outside", "Way"), rows)
    common.write_figures(json, figures)
