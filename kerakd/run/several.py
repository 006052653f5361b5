"""Several recipes carried out one after the other, each in a folder of its own."""

import gc
import os
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kerakd.errors import KerakdError
from kerakd.recipe import Recipe
from kerakd.run.cross import run_folds
from kerakd.run.experiment import run_recipe
from kerakd.run.together import refuse


def run_several(
    recipes: Mapping[str, Recipe],
    out: str | os.PathLike,
    *,
    folders: Mapping[str, str | os.PathLike] | None = None,
    resume: bool = False,
    folds: int | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Carry out recipes one after the other; one that fails does not stop the rest.

    Args:
        recipes: By name; each runs in the folder of that name below `out`.
        out: The folder of the run folders.
        folders: By name, the folder of the recipe's page, searched first for weights.
        resume: Whether runs that are there already are taken up; others begin.
        folds: As `count` in `run_folds`; None for one run of each.
        say: Is told what is done.
        **options: Further ones of `run_recipe`.

    Returns:
        By name: `seconds`, and either `metrics`, as `run_recipe` gives them, or
        `error`, one sentence. A fault of kerakd also prints its traceback.

    Raises:
        RecipeError: There are several workers.
    """
    import keras

    refuse("A series of recipes")
    found: dict[str, dict[str, Any]] = {}
    for number, (name, recipe) in enumerate(recipes.items(), 1):
        say(f"Recipe {number} of {len(recipes)}: {name}")
        place, start = Path(out) / name, time.monotonic()
        more = dict(options) if folds is None else {**options, "count": folds}
        carry_out = run_recipe if folds is None else run_folds
        try:
            told = {
                "metrics": carry_out(
                    recipe,
                    place,
                    recipe_folder=(folders or {}).get(name),
                    resume=resume and (place / "run.json").is_file(),
                    say=say,
                    **more,
                )
            }
        except KerakdError as error:
            told = {"error": str(error)}
        except Exception as error:
            traceback.print_exc()
            told = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        if "error" in told:
            say(f"{name} failed: {told['error']}")
        found[name] = {"seconds": round(time.monotonic() - start, 1), **told}
        # What one run has built is no use to the next.
        keras.backend.clear_session()
        gc.collect()
    return found


def result_of(metrics: Mapping[str, Any]) -> str:
    """The result of a run in a few words, for a table of several."""
    test = ((metrics.get("models") or {}).get("student") or {}).get("test") or {}
    if metrics.get("task") == "segmentation":
        from kerakd.run.segmentation.judging import mean_dice

        return f"Dice {mean_dice(test):.3f}" if test else "not tested"
    return f"accuracy {test['accuracy']:.2%}" if "accuracy" in test else "not tested"
