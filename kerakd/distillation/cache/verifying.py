"""Asking the teachers again, and comparing with what a cache holds."""

from typing import Any

import numpy as np

from kerakd.distillation import checks
from kerakd.distillation.cache import asking, shards
from kerakd.distillation.cache.key import check_key, make_key
from kerakd.distillation.cache.store import LOGITS


def compare(
    cache: Any, teacher: Any, batches: Any, count: int, seed: int
) -> dict[str, Any]:
    """See `TeacherCache.verify`."""
    teachers = checks.as_list(teacher, "teacher")
    shards.require_whole(cache.info, cache.path)
    layers, dtype = cache.layers, cache.info["key"].get("teacher_dtype")
    key = make_key(teachers, batches, layers, dtype)
    check_key(cache.info["key"], key, cache.path)
    cache.store.require_complete()
    ask = asking.asker(asking.prepare(teachers, layers, dtype), layers)
    size = batches.batch_size
    blocks = -(-cache.info["samples"] // size)
    places = np.random.default_rng(seed).permutation(cache.views * blocks)[:count]
    largest, samples = {}, 0
    for view in range(cache.views):
        wanted = {p % blocks for p in places.tolist() if p // blocks == view}
        if not wanted:
            continue
        for number, (x, index) in enumerate(batches.at_view(view)):
            if number in wanted:
                rows = np.asarray(index)
                _raise_to(largest, cache, ask(x), view, rows)
                samples += len(rows)
    return {
        "batches": len(places),
        "samples": samples,
        "max_abs_difference": largest.pop(LOGITS),
        **({"features": largest} if largest else {}),
    }


def _raise_to(
    largest: dict, cache: Any, fresh: dict, view: int, rows: np.ndarray
) -> None:
    """Raise the largest differences seen so far to those of a batch."""
    pairs = {LOGITS: (fresh[LOGITS], cache.read(view, rows))}
    if fresh[LOGITS].shape[-1] > 1:
        pairs[LOGITS] = tuple(x - x[..., -1:] for x in pairs[LOGITS])
    kept = cache.read_features(view, rows)
    for place, (layer, values) in enumerate(kept.items()):
        pairs[layer[1]] = (fresh[asking.features_name(place)], values)
    for name, (one, other) in pairs.items():
        difference = float(np.abs(one - other).max())
        largest[name] = max(largest.get(name, 0.0), difference)
