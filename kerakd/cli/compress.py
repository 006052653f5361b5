"""`kerakd compress`: a run's student as files for a phone."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common

_PANEL = "Models"


def add_to(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("compress", rich_help_panel=_PANEL)(compress)


def compress(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or a `.keras` file anywhere.")
    ],
    modes: Annotated[
        str,
        typer.Option(
            help="Of float32, float16, dynamic, int8 and int16x8, with commas between."
        ),
    ] = "float32,float16,dynamic,int8",
    data: common.Data = None,
    on: Annotated[
        str, typer.Option(help="Measure accuracy on `test` or `validation` images.")
    ] = "test",
    sensitive: Annotated[
        bool | None,
        typer.Option(
            help="int8: leave the layers that harm in float. Default: where needed."
        ),
    ] = None,
    integer_only: Annotated[
        bool, typer.Option("--integer-only", help="int8: leave no operator in float.")
    ] = False,
    backend: Annotated[
        str,
        typer.Option(help="int8: `converter`, `ai_edge_quantizer`, or the better."),
    ] = "auto",
    images: Annotated[
        int, typer.Option(help="Training images that calibrate int8, at least 100.")
    ] = 200,
    json: common.Json = None,
) -> None:
    """Export the student for a phone and measure every file.

    Writes `student_<mode>.tflite` with its JSON, `compression.json` and
    `figures/pareto.png` into the run folder.

    \b
    Examples:
      kerakd compress runs/mri --data data
      kerakd compress runs/mri --modes int8 --sensitive --on validation
      kerakd compress student.keras --data data --modes float16,int8
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.run.compressing import compress_run

    figures = compress_run(
        run,
        [mode.strip() for mode in modes.split(",") if mode.strip()],
        data,
        on=on,
        sensitive=sensitive,
        integer_only=integer_only,
        backend=backend,
        images=images,
        say=common.say,
    )
    show_variants(figures)
    for variant in figures["variants"]:
        quantization = variant.get("quantization", {})
        if "reason" in quantization:
            print(
                f"{variant['mode']}: {quantization['chosen']}, as it takes "
                f"{quantization['reason']}"
            )
        if "warning" in quantization:
            print(f"Warning: {quantization['warning']}.")
    folder = run.parent if run.suffix == ".keras" else run
    print(f"Figures: {folder / 'compression.json'}, {folder / 'figures/pareto.png'}")
    common.write_figures(json, figures)


def show_variants(figures: dict) -> None:
    """Print the table of `benchmark_models`."""
    variants = figures["variants"]
    threads = list(variants[0]["milliseconds"])
    score = next((k for k in ("accuracy", "dice") if k in variants[0]), None)
    headings = ["File", "MB", "MB gz", "Parts", "Outside XNNPACK", "Arena kB"]
    for count in threads:
        headings += [f"ms, {count} thr.", "p95", "ratio"]
    if score:
        headings += [score.capitalize(), "95% interval"]
        headings += [f"= {name}" for name in variants[0]["agreement"]]
    rows = []
    for one in variants:
        outside = ", ".join(f"{n} {k}" for k, n in one["outside_xnnpack"].items())
        row = [
            one["name"],
            f"{one['bytes'] / 1e6:.3f}",
            f"{one['gzip_bytes'] / 1e6:.3f}",
            str(one["partitions"]),
            outside if len(outside) < 40 else f"{len(one['outside_xnnpack'])} kinds",
            f"{one['peak_arena_bytes'] / 1e3:.0f}",
        ]
        for count in threads:
            took = one["milliseconds"][count]
            row += [f"{took[k]:.2f}" for k in ("median_ms", "p95_ms", "ratio")]
        if score:
            low, high = one[f"{score}_interval"] or (one[score], one[score])
            row += [f"{one[score]:.2%}", f"{low:.1%} to {high:.1%}"]
            row += [f"{share:.2%}" for share in one["agreement"].values()]
        rows.append(row)
    common.show_table(headings, rows)
    first = variants[0]
    if first["parameters"] is not None:
        adds = first["multiply_adds"]
        cost = "" if adds is None else f", {adds / 1e6:.1f} million multiply-adds"
        print(f"{first['parameters']:,} parameters{cost} an image ({first['name']}).")
