"""A run that several workers carry out: one program, of which one keeps the files."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerakd.errors import RecipeError
from kerakd.training import devices, workers

# A training shares its checkpoints itself; a cache is made by each worker for itself.
_NOT_SHARED = ("checkpoints", "teacher_cache")


def by_workers(carry_out: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function `carry_out(recipe, out, ..., resume)` to workers, too.

    The chief works in `out`. The others work in temporary folders, which begin with
    what there is in the chief's where a run is taken up.
    """

    @functools.wraps(carry_out)
    def one(recipe: Any, out: Any, *, resume: bool = False, **options: Any) -> Any:
        cluster = devices.cluster()
        if cluster is None:
            return carry_out(recipe, out, resume=resume, **options)
        if options.get("sweeps"):
            refuse("A sweep")
        workers.agree(cluster, [recipe.get_config(), resume])
        with workers.private(cluster, out) as place:
            if resume:
                workers.share_folder(cluster, Path(place), _NOT_SHARED)
            return carry_out(recipe, place, resume=resume, **options)

    return one


def refuse(what: str) -> None:
    """Raise where workers would have to decide something together.

    Raises:
        RecipeError: There are several workers.
    """
    if devices.cluster() is not None:
        raise RecipeError(
            f"{what} cannot be carried out by several workers; make single runs of it, "
            "or use one machine."
        )
