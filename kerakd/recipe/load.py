"""From a page of YAML to a recipe and back."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kerakd.errors import RecipeError
from kerakd.files import write_text
from kerakd.recipe import overrides, strict_yaml, typed
from kerakd.recipe.schema import ExternalSection, Recipe

# What `--tiny` changes in every recipe; the recipe's own `tiny` is laid over it.
TINY = {
    # Integer modes want a hundred training images to be calibrated by.
    "export": {"modes": ["float32"]},
    "data": {"limit": 16},
    "teacher": {"training": {"epochs": 1, "schedule": "constant", "warmup_epochs": 0}},
    "student": {"training": {"epochs": 1, "schedule": "constant", "warmup_epochs": 0}},
}

# What `--tiny` changes further where no data are given; the recipe's own `without_data`
# is laid over it. Published weights may be out of reach, too.
_STAND_IN: dict[str, Any] = {
    "data": {"source": "phantom", "splits": None, "groups": None, "aliases": False},
    "external": [],
    "teacher": {"weights": None},
    "student": {"weights": None},
}
_PHANTOMS: dict[str, dict[str, Any]] = {
    # The pictures come in folders of training and test.
    "classification": {
        "test": None,
        "phantom": {"patients": 48, "slices_per_patient": 2, "size": 80},
    },
    # Few and thick slices.
    "segmentation": {
        "phantom": {"patients": 6, "shape": [48, 48, 16], "spacing": 4.0},
    },
}


def load_recipe(
    path: str | os.PathLike,
    *,
    settings: Iterable[str] = (),
    tiny: bool = False,
    teacher_files: Iterable[str | os.PathLike] = (),
    with_data: bool = True,
) -> Recipe:
    """Read and check a recipe.

    ```python
    recipe = kerakd.recipe.load_recipe(
        "experiments/brain_tumor_mri_cpu.yaml", settings=["seed=1"]
    )
    ```

    Args:
        path: The YAML page.
        settings: Changes such as `"student.training.epochs=3"`.
        tiny: Whether the recipe's tiny mode is wanted, a trial that takes minutes.
        teacher_files: Trained teachers to take in place of the recipe's.
        with_data: Whether data are given; without them `tiny` takes phantoms.

    Returns:
        The recipe with its defaults filled in.

    Raises:
        RecipeError: The page cannot be read, a key is unknown, or a value is refused.
    """
    path = Path(path)
    return recipe_from(
        strict_yaml.read(path),
        source=str(path),
        settings=settings,
        tiny=tiny,
        teacher_files=teacher_files,
        with_data=with_data,
    )


def recipe_from(
    page: Mapping[str, Any],
    *,
    source: str = "the recipe",
    settings: Iterable[str] = (),
    tiny: bool = False,
    teacher_files: Iterable[str | os.PathLike] = (),
    with_data: bool = True,
) -> Recipe:
    """As `load_recipe`, from a page already read.

    Args:
        page: The mapping of the page.
        source: What to call the page in an error.
        settings: As in `load_recipe`.
        tiny: As in `load_recipe`.
        teacher_files: As in `load_recipe`.
        with_data: As in `load_recipe`.
    """
    if not isinstance(page, Mapping):
        raise RecipeError(
            f"{source} is no recipe: it must be a set of `key: value` lines, beginning "
            "with `name:`."
        )
    # The page as written is checked first: a change laid over a mistake hides it.
    recipe = typed.read(Recipe, page, source)
    files = [str(Path(file).absolute()) for file in teacher_files]
    if files:
        page = dict(page) | {"teacher": {"file": files}}
        recipe = typed.read(Recipe, page, source)
    if tiny:
        page = _tiny(recipe, page, with_data)
        recipe = typed.read(Recipe, page, f"{source} (tiny)")
    for text in settings:
        key, value = overrides.parse_setting(text)
        page = overrides.put(page, key, value)
        recipe = typed.read(Recipe, page, f"--set {text}")
    return recipe


def _tiny(recipe: Recipe, page: Mapping[str, Any], with_data: bool) -> dict[str, Any]:
    """The page of a recipe's tiny mode."""
    phantom = recipe.data.source == "phantom"
    changes = [TINY, recipe.tiny]
    if not with_data and not phantom:
        changes[1:1] = [_STAND_IN, {"data": _PHANTOMS[recipe.task]}]
        changes.append(recipe.without_data)
    trained = recipe.teacher is None or bool(recipe.teacher.files)
    for change in changes:
        if trained:
            # There is none, or one from a file: nothing of it to make smaller.
            change = {key: value for key, value in change.items() if key != "teacher"}
        page = overrides.merge(page, change)
    return page | {"seeds": recipe.seeds[:1]}


def with_external(recipe: Recipe, folders: Iterable[str | os.PathLike]) -> Recipe:
    """The recipe with further folders of images from elsewhere."""
    more = [ExternalSection(str(Path(folder).absolute())) for folder in folders]
    return dataclasses.replace(recipe, external=[*recipe.external, *more])


def save_recipe(recipe: Recipe, path: str | os.PathLike) -> Path:
    """Write a recipe with every default filled in; `load_recipe` reads it back."""
    return write_text(path, strict_yaml.dump(recipe.get_config()))
