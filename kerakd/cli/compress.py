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
    aware: Annotated[
        bool,
        typer.Option("--aware", help="int8 by quantisation-aware training."),
    ] = False,
    prune: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Set this share of weights to zero."),
    ] = None,
    cluster: Annotated[
        int | None,
        typer.Option(metavar="VALUES", help="Leave so many values in each kernel."),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With the three above: who teaches meanwhile; repeat it for several. "
            "Default: the run's teachers, else the float student.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of learning on.")] = 2,
    learning_rate: Annotated[float, typer.Option(help="Of learning on.")] = 1e-4,
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
      kerakd compress runs/mri --aware --teacher teacher.keras --epochs 2
      kerakd compress runs/mri --prune 0.8
    """
    common.check_writable(json)
    common.require_tensorflow()
    if aware or prune is not None or cluster is not None:
        figures = _learn_on(
            run, aware, prune, cluster, data, on, teacher, epochs, learning_rate
        )
        return common.write_figures(json, figures)
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


def _learn_on(
    run, aware, prune, cluster, data, on, teacher, epochs, learning_rate
) -> dict:
    """The three ways to compress in training; what they found is printed."""
    from kerakd.errors import RecipeError
    from kerakd.run.learning_on import learn_on

    if aware + (prune is not None) + (cluster is not None) > 1:
        raise RecipeError("Give one of --aware, --prune and --cluster.")
    method, options = "aware", {}
    if prune is not None:
        method, options = "pruned", {"sparsity": prune}
    elif cluster is not None:
        method, options = "clustered", {"clusters": cluster}
    figures = learn_on(
        run,
        method,
        data,
        teacher=teacher,
        epochs=epochs,
        learning_rate=learning_rate,
        on=on,
        say=common.say,
        **options,
    )
    export, found = figures["export"], figures["verify"]
    labelled = found.get("labelled", {}).get("accuracy", {})
    rows = [
        ["File", export["path"]],
        ["Bytes", f"{export['bytes']:,}"],
        ["Same class as the float student", f"{found['top1_agreement']:.2%}"],
        *([f"Accuracy, {who}", f"{share:.2%}"] for who, share in labelled.items()),
    ]
    common.show_table((f"On {figures['split']}", ""), rows)
    return figures


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
