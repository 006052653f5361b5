"""The folders in which the teacher caches of a run lie."""

import hashlib
import json
from typing import Any

from kerakd.distillation.cache.key import batches_key


def cache_name(pictures: Any, layers: list, section: Any) -> str:
    """The folder of a cache, named after what decides its numbers.

    Variants of a sweep that show the teacher the same pictures share a cache.

    Args:
        pictures: Batches of pictures or slices.
        layers: Whose features are kept.
        section: `recipe.distillation`.
    """
    key = [batches_key(pictures), pictures.views]
    more = [layers, section.cache_mode, section.teacher_dtype]
    if more != [[], "exact", None]:
        key.append(more)
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{pictures.views}_views_{digest[:8]}"
