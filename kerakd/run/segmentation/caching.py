"""The teacher cache of a segmentation: every slice in every view, asked once."""

import math
from pathlib import Path

import keras
import numpy as np

from kerakd.data.volumes.batches import SliceBatches
from kerakd.data.volumes.store import SliceStore
from kerakd.distillation import TeacherCache
from kerakd.distillation.cache import features
from kerakd.distillation.cache.codecs import codec
from kerakd.distillation.cache.key import check_key, make_key
from kerakd.recipe import Recipe
from kerakd.run.cache_folders import cache_name
from kerakd.run.losses import build_losses

_BLOCK = 32  # slices that the teacher is asked about at once


def pictures_of(recipe: Recipe, store: SliceStore) -> SliceBatches:
    """What the teacher looks at: every slice of the training cases.

    Also those without tumour that `empty_rate` leaves out of an epoch: the next epoch
    and the student of another seed see others of them.
    """
    return SliceBatches(
        store,
        "train",
        batch_size=_BLOCK,
        seed=recipe.seed,
        augment=recipe.augmentation,
        views=recipe.distillation.views,
    )


def check_cacheable(recipe: Recipe, store: SliceStore, teacher: keras.Model) -> None:
    """Refuse, before anything is trained, what would not fit into a cache.

    Raises:
        RecipeError: A loss reads a layer that is too large.
        ModelError: The teacher has no such layer.
    """
    layers = _layers(recipe)
    if layers and recipe.distillation.views is not None:
        count = len(store.rows("train")) * recipe.distillation.views
        dtype = codec(recipe.distillation.cache_mode).dtype
        tapped = features.tap([teacher], layers)
        features.shapes(tapped, layers, count, dtype, features.LIMIT)


def size_of(recipe: Recipe, store: SliceStore) -> tuple[int, int]:
    """How many pictures the cache holds, and how many bytes their logits take."""
    coded = codec(recipe.distillation.cache_mode)
    shape = coded.stored_shape((*store.images.shape[1:3], len(store.class_names)))
    count = len(store.rows("train")) * recipe.distillation.views
    return count, count * math.prod(shape) * np.dtype(coded.dtype).itemsize


def get_cache(
    recipe: Recipe,
    store: SliceStore,
    teacher: keras.Model,
    folder: Path,
    *,
    given: Path | None = None,
    progress: bool | None = None,
) -> TeacherCache:
    """The cache for a recipe, opened or built; a half-built one is completed.

    Args:
        recipe: With `distillation.views`.
        store: The slices.
        teacher: Who is asked.
        folder: Where caches lie, each in a folder of its own.
        given: A cache that was built elsewhere, in place of one in `folder`.
        progress: As in `TeacherCache.build`.

    Raises:
        DataError: The cache that was given is of something else.
        RecipeError: A loss reads a layer that is too large to be cached.
    """
    pictures, section = pictures_of(recipe, store), recipe.distillation
    if given is not None:
        cache = TeacherCache.open(given)
        dtype = cache.info["key"].get("teacher_dtype")
        key = make_key([teacher], pictures, cache.layers, dtype)
        check_key(cache.info["key"], key, cache.path)
        return cache
    layers = _layers(recipe)
    return TeacherCache.build(
        teacher,
        pictures,
        folder / cache_name(pictures, layers, section),
        mode=section.cache_mode,
        progress=progress,
        layers=layers,
        teacher_dtype=section.teacher_dtype,
    )


def _layers(recipe: Recipe) -> list[tuple[int, str]]:
    return features.of_losses(build_losses(recipe.distillation)[0])
