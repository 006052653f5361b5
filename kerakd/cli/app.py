"""The application: its commands, and what holds for all of them."""

import os
import sys
from typing import Annotated

import typer

import kerakd
from kerakd.cli import (
    benchmark,
    benchmark_aware,
    benchmark_files,
    benchmark_scale,
    cache,
    compress,
    data,
    experiments,
    explain,
    models,
)
from kerakd.cli.errors import SentenceGroup

app = typer.Typer(
    name="kerakd",
    cls=SentenceGroup,
    no_args_is_help=True,
    add_completion=False,
    # Rich help takes 0.3 s to import.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Knowledge distillation for medical imaging: a large network teaches one that "
        "runs on a phone.\n\n"
        "Begin with `kerakd demo`, then `kerakd run RECIPE --data DIR --out RUN`."
    ),
    epilog=(
        "Research use only, not a medical device. Errors that you can mend are one "
        "sentence and exit code 2."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kerakd {kerakd.__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


experiments.add_to(app)
models.add_to(app)
explain.add_to(app)
compress.add_to(app)
data.add_to(app)
app.add_typer(cache.app, name="cache")
benchmark_files.add_to(benchmark.app)
benchmark_aware.add_to(benchmark.app)
benchmark_scale.add_to(benchmark.app)
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Entry point of the console script."""
    _quiet()
    app()


def _quiet() -> None:
    """Keep TensorFlow's chatter out of the output, before it is loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # So that what is said and what Keras prints come in order in a file, too.
    sys.stdout.reconfigure(line_buffering=True)
