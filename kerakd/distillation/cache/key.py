"""What the contents of a cache depend on, said so that a difference can be named."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras

from kerakd.distillation import fast_teacher
from kerakd.distillation.teachers import weights_hash
from kerakd.errors import DataError

FORMAT = 2

# How a difference is told, in the order in which it is looked for.
_MEANINGS = {
    "format": "was written by another version of kerakd",
    "teachers": "is of another teacher",
    "teacher_dtype": "is of a teacher that computed in another dtype",
    "teacher_copy": "is of a teacher's copy that another version of kerakd made",
    "layers": "holds other layers of the teacher",
    "sample_ids": "is of other samples",
    "pixels": "is of pictures of another size, order of channels or content",
    "contents": "is of slices with other pixels",
    "augment": "is of another augmentation",
    "seed": "is of another seed",
}


def make_key(
    teachers: Sequence[keras.Model],
    batches: Any,
    layers: Sequence[tuple[int, str]] = (),
    dtype: str | None = None,
) -> dict[str, Any]:
    """The key of a cache: everything that its numbers are a function of.

    Args:
        teachers: The teachers, in order.
        batches: The `kerakd.data.ImageBatches` that they look at.
        layers: Whose features are kept, each with the number of its teacher.
        dtype: What the teachers compute in, where that is not their own.

    Returns:
        A JSON-able dictionary.
    """
    # Left out where they say nothing, so that a cache without them keeps its key.
    more = {"layers": [list(one) for one in layers]} if layers else {}
    if dtype:
        more |= {"teacher_dtype": dtype, "teacher_copy": fast_teacher.VERSION}
    return {
        "format": FORMAT,
        **more,
        "teachers": [
            {"weights": weights_hash(model), "architecture": architecture_hash(model)}
            for model in teachers
        ],
        "pixels": {"shape": list(teachers[0].input_shape[1:])},
        **batches_key(batches),
    }


def batches_key(batches: Any) -> dict[str, Any]:
    """The part of a key that training, which has no teacher at hand, can check."""
    augment = batches.augment
    contents = getattr(batches, "contents_key", None)
    return {
        "sample_ids": _hash("\n".join(batches.samples.ids)),
        **({"contents": contents} if contents else {}),
        "augment": None if augment is None else augment.get_config(),
        "seed": batches.seed,
    }


def check_key(found: dict, expected: dict, path: Any) -> None:
    """Refuse a cache that is not what it would be if it were built now.

    Args:
        found: The key in the cache.
        expected: The key, or a part of it, that is needed.
        path: The cache, for the error.

    Raises:
        DataError: Naming the first difference.
    """
    # What may be left out counts as equal only where both leave it out.
    optional = {"teacher_dtype", "teacher_copy", "layers"}
    optional &= _MEANINGS.keys() if "teachers" in expected else set()
    for name, meaning in _MEANINGS.items():
        if name not in expected and name not in optional:
            continue
        before, now = (
            json.dumps(k.get(name), sort_keys=True) for k in (found, expected)
        )
        if before != now:
            raise DataError(
                f"The teacher cache {path} {meaning} ({name}); build another one in "
                "another folder, or delete this one."
            )


def architecture_hash(model: keras.Model) -> str:
    """Hash of what a model computes besides its weights, preprocessing included.

    Names are left out: Keras counts them on, so the same network has others in the
    next process.
    """
    config = json.loads(model.to_json())
    return _hash(json.dumps(_without_names(config), sort_keys=True))


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = {"name", "keras_version", "compile_config", "build_config"}
        # Connections are told by names; the order of layers stands for them.
        dropped |= {"inbound_nodes", "input_layers", "output_layers", "keras_history"}
        return {k: _without_names(v) for k, v in value.items() if k not in dropped}
    if isinstance(value, list):
        return [_without_names(v) for v in value]
    return value


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
