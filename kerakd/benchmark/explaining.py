"""What heat maps cost beside forward passes: `kerakd benchmark explain`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerakd.benchmark.timing import interleave, machine, milliseconds, ratio
from kerakd.errors import RecipeError
from kerakd.explain.asking import explain_many
from kerakd.explain.library import reference
from kerakd.explain.network import network_of
from kerakd.models import build

_BAR = 3.0
_FORWARD, _OURS, _LIBRARY = "forward pass", "gradcam", "tf-keras-vis gradcam"


def benchmark_explain(
    image_size: int = 128,
    batch_size: int = 32,
    repeats: int = 11,
    methods: Sequence[str] = (_OURS, "saliency"),
    model: keras.Model | None = None,
) -> dict[str, Any]:
    """Time batches of heat maps against compiled forward passes, in turns, once warm.

    Args:
        image_size: Height and width in pixels.
        batch_size: Pictures in a batch.
        repeats: Timed turns.
        methods: Names of methods.
        model: A classifier of colour pictures of that size; by default MobileNetV2 with
            alpha 0.35 and random weights.

    Returns:
        JSON-able: `blocks` (milliseconds of a batch by name), `ratios` (forward passes
        that a method costs), `bar` (what Grad-CAM may cost) and `machine`.

    Raises:
        RecipeError: A number is not positive.
    """
    if min(image_size, batch_size, repeats) < 1:
        raise RecipeError(
            "image_size, batch_size and repeats must be at least 1; got "
            f"{image_size}, {batch_size} and {repeats}."
        )
    if model is None:
        model = build("mobilenet_v2", 4, (image_size, image_size, 3), alpha=0.35)
    generator = np.random.default_rng(0)
    shape = (batch_size, image_size, image_size, 3)
    images = generator.uniform(0, 255, shape).astype(np.float32)
    network = network_of(model)
    classes = np.arange(batch_size) % network.classes
    blocks = {_FORWARD: lambda: network.logits(images).numpy()}
    for method in methods:
        blocks[method] = lambda one=method: explain_many(
            model, images, [one], classes, batch_size=batch_size
        )
    blocks[_LIBRARY] = lambda: reference(model, images, "gradcam", classes)
    times = interleave(blocks, repeats)
    return {
        "image_size": image_size,
        "batch_size": batch_size,
        "repeats": repeats,
        "blocks": {name: milliseconds(one, 1) for name, one in times.items()},
        "ratios": {
            name: ratio(times, name, _FORWARD) for name in times if name != _FORWARD
        },
        "bar": _BAR,
        "machine": machine(),
    }
