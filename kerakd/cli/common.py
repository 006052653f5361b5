"""What the commands share: options, tables, and the JSON file."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kerakd.cli.errors import arguments

Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Also write the figures as JSON."),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data set, or the folder that holds it. Default: `KERAKD_DATA`.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="DIR",
        help="A folder with weights files. Default: `KERAKD_WEIGHTS`.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the recipe: `--set student.training.epochs=3`. Repeatable.",
    ),
]
Tiny = Annotated[
    bool, typer.Option("--tiny", help="A trial on few images and epochs: minutes.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out where it stopped."),
]
Devices = Annotated[
    int | None,
    typer.Option(min=1, help="Spread training over so many GPUs of this machine."),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        help="How: `mirrored` or `multi_worker` (TensorFlow; the second over the "
        "machines that TF_CONFIG names, each of which gets the same command), or "
        "`data_parallel` (JAX). Default: the backend's own, over all devices."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no training progress.")]


def load_tensorflow() -> None:
    """Import Keras and TensorFlow without what it logs, and later on retracing.

    Where Keras runs on JAX or PyTorch, TensorFlow is left alone.
    """
    from kerakd.compress.silence import quiet

    with quiet():
        import keras

        if keras.backend.backend() != "tensorflow":
            return
        import tensorflow as tf
    tf.get_logger().setLevel("ERROR")


def require_tensorflow() -> None:
    """`load_tensorflow`, for commands that nothing else can carry out."""
    from kerakd.compress.needs import require_tensorflow

    load_tensorflow()
    require_tensorflow()


def verbosity(quiet: bool) -> int:
    """Keras's `verbose`: a bar on a terminal, a line an epoch in a file."""
    if quiet:
        return 0
    return 1 if sys.stdout.isatty() else 2


def say(text: str) -> None:
    """Tell what is being done."""
    from rich.console import Console

    Console(highlight=False).print(f"[bold]{_escape(text)}[/bold]")


def show_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    title: str | None = None,
    text_columns: int = 1,
) -> None:
    """Print a table, its first columns flush left and its numbers flush right.

    Args:
        headings: One for each column.
        rows: Texts.
        title: What stands above it.
        text_columns: How many columns are text.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for index, heading in enumerate(headings):
        table.add_column(
            _escape(heading), justify="left" if index < text_columns else "right"
        )
    for row in rows:
        table.add_row(*map(_escape, row))
    console = Console(highlight=False)
    # In a file or a pipe nothing is cut off or wrapped.
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)


def show_models(metrics: dict[str, Any]) -> None:
    """Print the table of a run's models."""
    from kerakd.report.models_table import HEADINGS, model_rows
    from kerakd.report.style import named_for

    with named_for(metrics):
        show_table(HEADINGS, [row.cells for row in model_rows(metrics)])


def write_figures(path: Path | None, value: Any) -> None:
    """Write the file of `--json`, if it was asked for."""
    if path is None:
        return
    from kerakd.files import write_json

    write_json(path, value)
    print(f"Figures: {path}")


def check_writable(path: Path | None) -> None:
    """Notice before the work that the file of `--json` cannot be written."""
    if path is None:
        return
    from kerakd.files import replacing

    class _OnlyTrying(Exception):
        pass

    try:
        with replacing(path):
            raise _OnlyTrying
    except _OnlyTrying:
        pass


def command_line() -> str:
    """How kerakd was called, as it may be typed again."""
    return shlex.join(["kerakd", *arguments])


def resume_command() -> str:
    """The same call with `--resume`."""
    return command_line() + ("" if "--resume" in arguments else " --resume")


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(str(text))
