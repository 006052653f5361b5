"""`kerakd explain`: where teacher and student look."""

from pathlib import Path
from typing import Annotated, Any

import typer

from kerakd.cli import common

_PANEL = "Models"


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain", rich_help_panel=_PANEL)(explain)


def explain(
    what: Annotated[
        Path, typer.Argument(help="A run folder; or a `.keras` or `.tflite` file.")
    ],
    data: common.Data = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Tumour masks, `<class>/<name of the test image>.png`.",
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="gradcam, gradcam_plus_plus, layercam, scorecam, saliency, "
            "smoothgrad, integrated_gradients, attention_rollout, rise. Default: all "
            "that suit.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(help="Test images for the costly methods.")
    ] = 32,
    limit: Annotated[
        int | None, typer.Option(help="Test images in all, for a trial.")
    ] = None,
    exports: Annotated[
        int, typer.Option(help="Images for RISE of the `.tflite` files; 0: none.")
    ] = 12,
    seed: Annotated[int, typer.Option(help="Of samples and intervals.")] = 0,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="Of one model: an image to explain. Repeatable."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Of one model: the figure to write."),
    ] = None,
    json: common.Json = None,
) -> None:
    """Draw heat maps, and measure how far they agree and can be believed.

    Of a run: `explain/agreement.json`, `explain/faithfulness.json` and figures are
    written into its folder. Of one model: a figure of single images.

    \b
    Examples:
      kerakd explain runs/mri --data data --masks masks
      kerakd explain runs/mri --data data --limit 64 --images 8
      kerakd explain runs/mri/student.keras --image scan.png --out heat.png
      kerakd explain student_int8.tflite --image scan.png
    """
    common.check_writable(json)
    common.load_tensorflow()
    chosen = None
    if methods is not None:
        chosen = [one.strip() for one in methods.split(",") if one.strip()]
    if what.is_file():
        from kerakd.run.explained_images import explain_images

        figures = explain_images(what, image or [], chosen, out)
        for one in figures["images"]:
            print(f"{one['path']}: {one['class']} {one['probability']:.1%}")
        print(f"Figure: {figures['figure']}")
        common.write_figures(json, figures)
        return
    from kerakd.run.explaining import explain_run

    figures = explain_run(
        what,
        data,
        masks,
        chosen,
        images=images,
        limit=limit,
        exports=exports,
        seed=seed,
        tell=common.say,
    )
    _show(figures)
    print(f"Written: {what / 'explain'} and {what / 'figures'}")
    common.write_figures(json, figures)


def benchmark(
    image_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = 128,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 32,
    repeats: Annotated[int, typer.Option(min=1, help="Timed turns.")] = 11,
    json: common.Json = None,
) -> None:
    """How many forward passes a batch of heat maps costs.

    \b
    Examples:
      kerakd benchmark explain --json explain.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.explaining import benchmark_explain

    figures = benchmark_explain(image_size, batch_size, repeats)
    found = figures["ratios"]
    common.show_table(
        ("Batch", "ms", "Forward passes"),
        [
            [
                name,
                f"{one['milliseconds']:.1f}",
                f"{found[name]['median']:.2f}" if name in found else "1",
            ]
            for name, one in figures["blocks"].items()
        ],
    )
    print(f"Grad-CAM may cost {figures['bar']:.0f} forward passes.")
    common.write_figures(json, figures)


def _show(figures: dict[str, Any]) -> None:
    agreement, found = figures["agreement"], figures["faithfulness"]
    common.show_table(
        ("Method", "Images", "Rank correlation", "(chance)", "Top 20% IoU", "Centres"),
        [
            [
                method,
                str(one["all"]["rank_correlation"]["count"]),
                _interval(one["all"]["rank_correlation"]),
                _number(one["all"]["rank_correlation"]["chance"]),
                _interval(one["all"]["top_iou"]),
                _interval(one["all"]["centre_distance"]),
            ]
            for method, one in agreement["methods"].items()
        ],
        title="Teacher and student look at the same places",
    )
    rows = []
    for role in ("teacher", "student"):
        for method, one in found[role]["methods"].items():
            masks = one.get("masks", {})
            pointing = masks.get("pointing", {})
            forgotten = one.get("randomisation", {}).get("rank_correlation", [None])
            rows.append(
                [
                    role,
                    method,
                    _interval(one["deletion"]["better_than_random"]),
                    _interval(one["insertion"]["better_than_random"]),
                    _interval(pointing),
                    _number(pointing.get("chance")),
                    _interval(masks.get("energy", {})),
                    _interval(masks.get("iou", {})),
                    _number(forgotten[-1]),
                ]
            )
    common.show_table(
        (
            "Network",
            "Method",
            "Deletion",
            "Insertion",
            "Pointing",
            "(chance)",
            "Energy",
            "IoU",
            "Forgotten",
        ),
        rows,
        title="Better than random pixels by; tumour hit; likeness with all weights "
        "permuted",
        text_columns=2,
    )
    for role in ("teacher", "student"):
        finer = found[role].get("finer_layercam")
        if finer:
            print(
                f"The {role}, LayerCAM at {', '.join(dict.fromkeys(finer['layers']))}: "
                f"pointing {_interval(finer['pointing'])}, chance "
                f"{_number(finer['pointing']['chance'])}, energy "
                f"{_interval(finer['energy'])}, IoU {_interval(finer['iou'])}"
            )
    for name, one in found.get("exports", {}).get("files", {}).items():
        print(
            f"{name} and student.keras, RISE: rank correlation "
            f"{_interval(one['rank_correlation'])}"
        )


def _interval(one: dict[str, Any]) -> str:
    if one.get("mean") is None:
        return "\N{EN DASH}"
    low, high = one["interval"]
    return f"{one['mean']:.2f} ({low:.2f} to {high:.2f})"


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.2f}"
