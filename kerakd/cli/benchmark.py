"""`kerakd benchmark ...`: how fast the parts are on this machine."""

from typing import Annotated

import typer

from kerakd.cli import common

app = typer.Typer(no_args_is_help=True, help="Measure speed on this machine.")


@app.callback()
def _group() -> None:
    pass


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


def _step(source: dict) -> str:
    return f"{source['milliseconds_per_step']:.1f}"
