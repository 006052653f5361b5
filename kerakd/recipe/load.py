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


def load_recipe(
    path: str | os.PathLike,
    *,
    settings: Iterable[str] = (),
    tiny: bool = False,
    teacher_files: Iterable[str | os.PathLike] = (),
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
    )


def recipe_from(
    page: Mapping[str, Any],
    *,
    source: str = "the recipe",
    settings: Iterable[str] = (),
    tiny: bool = False,
    teacher_files: Iterable[str | os.PathLike] = (),
) -> Recipe:
    """As `load_recipe`, from a page already read.

    Args:
        page: The mapping of the page.
        source: What to call the page in an error.
        settings: As in `load_recipe`.
        tiny: As in `load_recipe`.
        teacher_files: As in `load_recipe`.
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
        page = overrides.merge(page, TINY)
        page = overrides.merge(page, recipe.tiny) | {"seeds": recipe.seeds[:1]}
        if "file" in page["teacher"]:
            page["teacher"].pop("training")
        recipe = typed.read(Recipe, page, f"{source} (tiny)")
    for text in settings:
        key, value = overrides.parse_setting(text)
        page = overrides.put(page, key, value)
        recipe = typed.read(Recipe, page, f"--set {text}")
    return recipe


def with_external(recipe: Recipe, folders: Iterable[str | os.PathLike]) -> Recipe:
    """The recipe with further folders of images from elsewhere."""
    more = [ExternalSection(str(Path(folder).absolute())) for folder in folders]
    return dataclasses.replace(recipe, external=[*recipe.external, *more])


def save_recipe(recipe: Recipe, path: str | os.PathLike) -> Path:
    """Write a recipe with every default filled in; `load_recipe` reads it back."""
    return write_text(path, strict_yaml.dump(recipe.get_config()))
