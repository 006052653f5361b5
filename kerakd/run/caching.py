"""The teacher cache of a run: built once, read by every student."""

import hashlib
import json

from kerakd.data import ImageBatches
from kerakd.distillation import TeacherCache
from kerakd.distillation.cache.key import batches_key
from kerakd.recipe import Recipe
from kerakd.run.job import Job
from kerakd.run.losses import build_losses
from kerakd.run.teachers import Teacher


def is_cached(recipe: Recipe) -> bool:
    """Whether the teacher is asked once for each view, and not in every epoch.

    With a number of views there is nothing else to ask; a loss on the teacher's layers
    has to see the teacher itself, though, since a cache holds its logits alone.
    """
    if recipe.distillation.views is None:
        return False
    losses, _ = build_losses(recipe.distillation)
    return all(getattr(loss, "teacher_layer_name", None) is None for loss in losses)


def get_cache(job: Job, recipe: Recipe, teacher: Teacher) -> TeacherCache:
    """The cache for a recipe, opened or built; a half-built one is completed.

    Args:
        job: The run.
        recipe: That of the run, or a variant of a sweep.
        teacher: Who is asked.
    """
    pictures = job.training(
        recipe, teacher.shape, 32, job.recipe.seed, views=recipe.distillation.views
    )
    return TeacherCache.build(
        teacher.models,
        pictures,
        job.folder / "teacher_cache" / _name(pictures),
        progress=None if job.verbose else False,
    )


def _name(pictures: ImageBatches) -> str:
    """Variants of a sweep that show the teacher the same pictures share a cache."""
    key = json.dumps([batches_key(pictures), pictures.views], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{pictures.views}_views_{digest[:8]}"
