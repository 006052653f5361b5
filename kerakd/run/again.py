"""A run judged anew: its models are kept, everything that is told of them is made."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerakd.errors import DataError
from kerakd.files import read_json
from kerakd.recipe import load_recipe
from kerakd.run.experiment import run_recipe


def judge_again(
    run: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    verbose: int | str = "auto",
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Audit, export, test and report of a finished run, with the models that it has.

    For a run of an older kerakd, or after a file in the folder was removed. What was
    chosen stays chosen: nothing is trained.

    Args:
        run: The run folder.
        data: As in `kerakd.data.resolve`.
        verbose: As in `keras.Model.fit`.
        say: Is told what the run does.

    Returns:
        What is in its new `metrics.json`.

    Raises:
        DataError: The folder holds no finished run.
        KerakdError: A file of it cannot be used.
    """
    run = Path(run)
    for name in ("run.json", "recipe.yaml", "metrics.json", "student.keras"):
        if not (run / name).is_file():
            raise DataError(
                f"{run} holds no finished run (there is no {name}); give a run folder, "
                "or finish the run with --resume."
            )
    grid = read_json(run / "run.json").get("sweep") or []
    sweeps = [
        (key, list(dict.fromkeys(values[key] for values in grid)))
        for key in (grid[0] if grid else ())
    ]
    return run_recipe(
        load_recipe(run / "recipe.yaml"),
        run,
        data=data,
        resume=True,
        sweeps=sweeps,
        command=read_json(run / "metrics.json").get("command"),
        verbose=verbose,
        say=say,
        again=True,
    )
