"""The teacher cache of a run: built once, read by every student."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from kerakd.data import ImageBatches
from kerakd.distillation import TeacherCache
from kerakd.distillation.cache import features
from kerakd.distillation.cache.codecs import codec
from kerakd.distillation.cache.key import check_key, make_key
from kerakd.errors import KerakdError
from kerakd.recipe import Recipe, load_recipe, recipe_from
from kerakd.recipe.overrides import put
from kerakd.run import networks
from kerakd.run.assess import samples_of
from kerakd.run.cache_folders import cache_name
from kerakd.run.folder import Folder, holds_teacher
from kerakd.run.job import Job
from kerakd.run.losses import build_losses
from kerakd.run.teachers import Teacher


def is_cached(recipe: Recipe) -> bool:
    """Whether the teacher is asked once for each view, and not in every epoch."""
    return recipe.distillation.views is not None


def get_cache(job: Job, recipe: Recipe, teacher: Teacher) -> TeacherCache:
    """The cache for a recipe, opened or built; a half-built one is completed.

    Args:
        job: The run.
        recipe: That of the run, or a variant of a sweep.
        teacher: Who is asked.

    Raises:
        DataError: The cache that the run was given is of something else.
        RecipeError: A loss reads a layer that is too large to be cached.
    """
    pictures = _pictures(job, recipe, teacher)
    section = recipe.distillation
    layers = features.of_losses(build_losses(section)[0])
    if job.cache is not None:
        return _given(job, teacher, pictures)
    return TeacherCache.build(
        teacher.models,
        pictures,
        job.folder / "teacher_cache" / cache_name(pictures, layers, section),
        mode=section.cache_mode,
        progress=None if job.verbose else False,
        layers=layers,
        teacher_dtype=section.teacher_dtype,
    )


def check_cacheable(job: Job, recipe: Recipe, teachers: Sequence[keras.Model]) -> None:
    """Refuse, before anything is trained, what would not fit into a cache.

    Raises:
        RecipeError: A loss reads a layer that is too large.
        ModelError: The teacher has no such layer.
    """
    layers = features.of_losses(build_losses(recipe.distillation)[0])
    if not layers or not is_cached(recipe) or job.cache is not None:
        return
    pictures = len(job.samples.subset("train")) * recipe.distillation.views
    dtype = codec(recipe.distillation.cache_mode).dtype
    tapped = features.tap(teachers, layers)
    features.shapes(tapped, layers, pictures, dtype, features.LIMIT)


def build_cache(
    run: str | os.PathLike,
    out: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    views: int | None = None,
    mode: str | None = None,
    progress: bool | None = None,
    shard: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Build the teacher cache of a run whose teacher is trained, to be taken elsewhere.

    Args:
        run: The run folder.
        out: The folder of the cache; a half-built one is completed.
        data: As in `kerakd.data.resolve`.
        views: Views of each picture; those of the recipe if `None`.
        mode: `"exact"` or `"compact"`; that of the recipe if `None`.
        progress: As in `TeacherCache.build`.
        shard: As in `TeacherCache.build`.

    Returns:
        What `TeacherCache.describe` tells.

    Raises:
        KerakdError: The run has no teacher, its images are not found, or the folder
            holds a cache of something else.
    """
    recipe, teachers, pictures = _open_run(run, data, views)
    section = recipe.distillation
    cache = TeacherCache.build(
        teachers,
        pictures,
        out,
        mode=mode or section.cache_mode,
        progress=progress,
        layers=features.of_losses(build_losses(section)[0]),
        teacher_dtype=section.teacher_dtype,
        shard=shard,
    )
    return cache.describe()


def verify_cache(
    run: str | os.PathLike,
    path: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    count: int = 16,
    seed: int = 0,
) -> dict[str, Any]:
    """Ask the teacher of a run again about some batches of a cache.

    Args:
        run: The run folder with the teacher.
        path: The cache.
        data: As in `kerakd.data.resolve`.
        count: How many batches.
        seed: Of which ones.

    Returns:
        What `TeacherCache.verify` tells.

    Raises:
        KerakdError: The cache is damaged, half built, or of something else.
    """
    cache = TeacherCache.open(path)
    _, teachers, pictures = _open_run(run, data, cache.views)
    return cache.verify(teachers, pictures, count, seed)


def _open_run(
    run: Any, data: Any, views: int | None
) -> tuple[Recipe, list[keras.Model], Any]:
    """The recipe of a run, its teachers, and what they look at."""
    run = Path(run)
    if not holds_teacher(run):
        raise KerakdError(
            f"{run} holds no trained teacher; train it first: kerakd train-teacher "
            "RECIPE --out RUN."
        )
    recipe = load_recipe(run / "recipe.yaml")
    if views is not None:
        page = put(recipe.get_config(), "distillation.views", views)
        recipe = recipe_from(page, source="--views")
    folder = Folder.claim(run, load_recipe(run / "recipe.yaml"), resume=True)
    files = sorted(run.glob("teacher.keras")) or sorted(run.glob("teacher_*.keras"))
    members = [networks.load_network(file) for file in files]
    if recipe.task == "segmentation":
        from kerakd.run.segmentation import caching, cases

        store = cases.slices_of(recipe, cases.prepare_cases(recipe, folder, data))
        return recipe, members, caching.pictures_of(recipe, store)
    job = Job(recipe, folder, samples_of(run, data), [])
    return recipe, members, _pictures(job, recipe, Teacher(members, files, ""))


def _pictures(job: Job, recipe: Recipe, teacher: Teacher) -> ImageBatches:
    """What the teacher looks at."""
    views = recipe.distillation.views
    return job.training(recipe, teacher.shape, 32, job.recipe.seed, views=views)


def _given(job: Job, teacher: Teacher, pictures: ImageBatches) -> TeacherCache:
    """The cache that the run was given, if it is that of its teacher and pictures."""
    cache = TeacherCache.open(job.cache)
    dtype = cache.info["key"].get("teacher_dtype")
    key = make_key(teacher.models, pictures, cache.layers, dtype)
    check_key(cache.info["key"], key, cache.path)
    return cache
