"""`kerakd benchmark ...`: how fast the parts are on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from kerakd.cli import common
from kerakd.cli.explain import benchmark as benchmark_explain

app = typer.Typer(no_args_is_help=True, help="Measure speed on this machine.")


@app.callback()
def _group() -> None:
    pass


app.command("explain")(benchmark_explain)


@app.command("pipeline")
def pipeline(
    image_size: Annotated[int, typer.Option(help="Pixels.")] = 128,
    batch_size: Annotated[int, typer.Option(help="Images in a step.")] = 32,
    steps: Annotated[int, typer.Option(help="Timed steps in a block.")] = 8,
    repeats: Annotated[int, typer.Option(help="Blocks of each kind.")] = 10,
    json: common.Json = None,
) -> None:
    """Does the input pipeline starve the student?

    Training from the pipeline against training from one tensor in memory.

    \b
    Examples:
      kerakd benchmark pipeline --json pipeline.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark import benchmark_pipeline

    figures = benchmark_pipeline(image_size, batch_size, steps, repeats)
    rows = [["one tensor", _step(figures["one_tensor"]), "", "", ""]]
    for name, one in figures["pipelines"].items():
        ratio = one["ratio"]
        quartiles = f"{ratio['lower_quartile']:.3f} to {ratio['upper_quartile']:.3f}"
        median, bar = f"{ratio['median']:.3f}", f"{one['bar']:.2f}"
        rows.append([f"pipeline, {name}", _step(one), median, quartiles, bar])
    common.show_table(("Source", "ms / step", "Ratio", "Quartiles", "Allowed"), rows)
    common.write_figures(json, figures)


@app.command("step")
def step(
    image_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = 224,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 32,
    steps: Annotated[int, typer.Option(min=1, help="Steps in a block.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Blocks of each kind.")] = 9,
    teacher: Annotated[str, typer.Option(help="The network.")] = "resnet101",
    student: Annotated[str, typer.Option(help="The network.")] = "mobilenet_v3_small",
    part: Annotated[
        list[str] | None,
        typer.Option(help="`logits`, `features` or `build`; repeat it. Default: all."),
    ] = None,
    json: common.Json = None,
) -> None:
    """What distillation costs a step of the student, beside keras.distillation.

    \b
    Examples:
      kerakd benchmark step --image-size 128 --json step.json
      kerakd benchmark step --part logits --repeats 5
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.step import PARTS, benchmark_step

    figures = benchmark_step(
        image_size, batch_size, steps, repeats, teacher, student, part or PARTS
    )
    _show_steps(figures["steps"])
    _show_ratios(figures["ratios"])
    difference = figures.get("bfloat16_logit_difference")
    if difference:
        print(
            "A bfloat16 teacher's logits differ by at most "
            f"{difference['largest']:.3g}, {difference['of_spread']:.1%} of their "
            "standard deviation."
        )
    common.write_figures(json, figures)


@app.command("profile")
def profile(
    image_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="Blocks of each kind.")] = 7,
    xla: Annotated[bool, typer.Option("--xla", help="Time XLA, too: slow.")] = False,
    json: common.Json = None,
) -> None:
    """What a step of the student spends its time on, and what makes it shorter.

    \b
    Examples:
      kerakd benchmark profile --json profile.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.profile import benchmark_profile

    figures = benchmark_profile(image_size, repeats=repeats, xla=xla)
    _show_steps(figures["steps"])
    _show_ratios(figures["ratios"])
    for name, spent in figures["operations"].items():
        common.show_table(
            (f"Operation ({name})", "ms of processor"),
            [[kind, f"{one:.2f}"] for kind, one in spent.items()],
        )
    common.write_figures(json, figures)


@app.command("methods")
def methods(
    data: common.Data = None,
    work: Annotated[
        Path, typer.Option("--work", metavar="DIR", help="For teachers and caches.")
    ] = Path("runs/benchmark_methods"),
    method: Annotated[
        list[str] | None, typer.Option(help="One of them; repeat it. Default: all.")
    ] = None,
    per_class: Annotated[int, typer.Option(min=8, help="Training images.")] = 150,
    epochs: Annotated[int, typer.Option(min=1, help="Of each student.")] = 30,
    seeds: Annotated[int, typer.Option(min=1, help="How many.")] = 3,
    trade: Annotated[
        bool, typer.Option("--views", help="Compare 1, 2, 4, 8 views and online, too.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw what --views found.")
    ] = None,
    json: common.Json = None,
) -> None:
    """Distil the same small student by every method, on MRI at a small size.

    \b
    Examples:
      kerakd benchmark methods --data data --json methods.json
      kerakd benchmark methods --data data --method kl_divergence --views
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.methods import benchmark_methods, draw_views

    figures = benchmark_methods(
        work,
        data,
        per_class=per_class,
        epochs=epochs,
        seeds=range(seeds),
        methods=method,
        trade=(1, 2, 4, 8, None) if trade else (),
        say=common.say,
    )
    for heading, part in (("Method", "methods"), ("Views", "views")):
        if figures[part]:
            common.show_table(
                (heading, "Validation accuracy", "s / epoch", "ms / step, processors"),
                [[name, *_judged(one)] for name, one in figures[part].items()],
            )
    if figure is not None and figures["views"]:
        draw_views(figures, figure)
    common.write_figures(json, figures)


@app.command("cache")
def cache(
    samples: Annotated[int, typer.Option(min=10_000, help="The largest cache.")] = (
        1_000_000
    ),
    mode: Annotated[str, typer.Option(help="`exact` or `compact`.")] = "compact",
    json: common.Json = None,
) -> None:
    """Does the memory of a cached training grow with the data? On made-up logits.

    \b
    Examples:
      kerakd benchmark cache --samples 1000000 --json cache.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.cache import benchmark_cache

    sizes = sorted({10_000, max(10_000, samples // 10), samples})
    figures = benchmark_cache(sizes, mode=mode)
    common.show_table(
        ("Samples", "MB on disk", "MB held before", "MB held, peak", "us / batch"),
        [
            [
                f"{one['samples']:,}",
                f"{one['megabytes_on_disk']:.1f}",
                f"{one['anonymous_megabytes_before']:.1f}",
                f"{one['anonymous_megabytes_peak']:.1f}",
                f"{one['microseconds_a_batch']:.0f}",
            ]
            for one in figures["caches"]
        ],
    )
    common.write_figures(json, figures)


@app.command("memory")
def memory(
    image_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = 128,
    repeats: Annotated[int, typer.Option(min=1, help="Processes of each kind.")] = 3,
    json: common.Json = None,
) -> None:
    """Peak memory of cached training beside plain training; time of the import.

    \b
    Examples:
      kerakd benchmark memory --json memory.json
    """
    common.check_writable(json)
    from kerakd.benchmark.memory import benchmark_memory

    figures = benchmark_memory(image_size, repeats=repeats)
    held = figures["megabytes"]
    print(
        f"Plain training {held['student alone']:.0f} MB, cached {held['cached']:.0f} "
        f"MB: {figures['ratio']:.3f} (allowed {figures['bar']})."
    )
    print(
        f"import kerakd: {figures['import_seconds']:.3f} s (allowed "
        f"{figures['import_bar']}), TensorFlow loaded: "
        f"{'yes' if figures['import_loads_tensorflow'] else 'no'}."
    )
    common.write_figures(json, figures)


@app.command("checkpoint")
def checkpoint(
    image_size: Annotated[int, typer.Option(min=32, help="Pixels.")] = 128,
    images: Annotated[int, typer.Option(min=1, help="Of an epoch.")] = 5_700,
    json: common.Json = None,
) -> None:
    """What a checkpoint costs of an epoch.

    \b
    Examples:
      kerakd benchmark checkpoint --json checkpoint.json
    """
    common.check_writable(json)
    common.load_tensorflow()
    from kerakd.benchmark.checkpoint import benchmark_checkpoint

    figures = benchmark_checkpoint(image_size, images)
    print(
        f"{figures['checkpoint_megabytes']:.1f} MB in "
        f"{1e3 * figures['checkpoint_seconds']:.0f} ms, {figures['share']:.2%} of an "
        f"epoch of {figures['epoch_seconds']:.0f} s (allowed {figures['bar']:.0%})."
    )
    common.write_figures(json, figures)


def _show_steps(steps: dict) -> None:
    common.show_table(
        ("Step", "ms", "ms, all processors"),
        [
            [name, f"{one['milliseconds']:.1f}", f"{one['processor_milliseconds']:.1f}"]
            for name, one in steps.items()
        ],
    )


def _show_ratios(ratios: dict) -> None:
    rows = []
    for name, one in ratios.items():
        quartiles = f"{one['lower_quartile']:.3f} to {one['upper_quartile']:.3f}"
        bar = "" if one["bar"] is None else f"{one['bar']:.2f}"
        rows.append([name, f"{one['median']:.3f}", quartiles, bar])
    common.show_table(("Ratio", "Median", "Quartiles", "Allowed"), rows)


def _judged(one: dict) -> list[str]:
    accuracy = one["accuracy"]
    return [
        f"{accuracy['mean']:.2%} ± {100 * accuracy['standard_deviation']:.2f}",
        f"{one['seconds_an_epoch']:.2f}",
        f"{one['processor_milliseconds_a_step']:.1f}",
    ]


@app.command("audit")
def audit(
    sizes: Annotated[
        str, typer.Option(help="Numbers of images, with commas between.")
    ] = "5000,20000,100000",
    seed: Annotated[int, typer.Option(help="Of the pictures.")] = 0,
    json: common.Json = None,
) -> None:
    """How does the search for copies grow with the number of images?

    Thumbnails drawn by a program, every tenth a copy in one of eight symmetries.

    \b
    Examples:
      kerakd benchmark audit --json audit.json
      kerakd benchmark audit --sizes 1000,4000,16000
    """
    from kerakd.benchmark import benchmark_audit
    from kerakd.errors import RecipeError

    common.check_writable(json)
    try:
        numbers = tuple(int(one) for one in sizes.split(","))
    except ValueError:
        raise RecipeError(
            f"--sizes takes whole numbers with commas between, not {sizes!r}."
        ) from None
    figures = benchmark_audit(numbers, seed)
    rows = [
        [
            str(run["images"]),
            f"{run['processor_seconds']:.1f}",
            f"{run['relative_to_n_log_n']:.2f}",
            str(run["candidates"]),
            f"{run['found']} of {run['planted']}",
        ]
        for run in figures["runs"]
    ]
    headings = ("Images", "Processor s", "per n log n", "Candidates", "Copies found")
    common.show_table(headings, rows, text_columns=0)
    common.write_figures(json, figures)


def _step(source: dict) -> str:
    return f"{source['milliseconds_per_step']:.1f}"
