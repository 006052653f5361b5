"""The sanity check: does a map change when the network forgets what it learnt?"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerakd.errors import RecipeError
from kerakd.explain.asking import explain_many
from kerakd.explain.network import Network
from kerakd.explain.similarity import rank_correlation
from kerakd.models.graph import flatten, weighted_layers


def weight_randomisation(
    model: Any,
    images: Any,
    methods: Sequence[str],
    classes: Any,
    stages: int = 6,
    resolution: int = 32,
    seed: int = 0,
    layer: str | None = None,
    options: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Cascading randomisation of the weights, from the logits down to the input.

    "Sanity Checks for Saliency Maps", Adebayo et al., NeurIPS 2018 (arXiv:1810.03292).
    At each stage more layers have lost what they learnt: their weights are permuted,
    each variable among its own values, so that scales stay and no output overflows. A
    map that keeps its shape does not depend on what the network learnt. The model is
    left as it is; a copy is randomised.

    Args:
        model: A `keras.Model` or a Distiller.
        images: Raw pixels (B, H, W, C).
        methods: Names of methods.
        classes: What the maps are about, one or (B,).
        stages: How many times the maps are made anew, at least 1.
        resolution: Cells across and down at which maps are compared.
        seed: Of the permutations.
        layer: As in `kerakd.explain.explain`.
        options: Options of methods, by name.

    Returns:
        `layers` (how many of them are randomised at each stage), `of` (how many there
        are), and by method `{"rank_correlation": (stages, B)}`: with the maps of the
        trained network, NaN where a map is constant.

    Raises:
        ModelError: The model cannot be explained or copied.
        RecipeError: `stages` is below 1.
    """
    if stages < 1:
        raise RecipeError(f"stages must be at least 1, not {stages}.")
    model = getattr(model, "student", model)
    flat = flatten(model)
    copy = keras.models.clone_model(flat)
    copy.set_weights(flat.get_weights())
    network = Network(copy, _name_in(copy, model, layer))
    size = (resolution, resolution)

    def maps() -> dict[str, np.ndarray]:
        found = explain_many(network, images, methods, classes, options=options)
        return {m: one.at(size).reshape(len(one), -1) for m, one in found.items()}

    trained = maps()
    layers = list(weighted_layers(copy))[::-1]
    cuts = np.unique(np.linspace(0, len(layers), stages + 1).round().astype(int))
    # The logits alone are a stage of their own: the first question is whether a map
    # knows the class at all.
    cuts = np.unique([1, *cuts[1:]])
    generator = np.random.default_rng(seed)
    done, rows = 0, {method: [] for method in methods}
    for cut in cuts:
        for one in layers[done:cut]:
            one.set_weights([_permuted(w, generator) for w in one.get_weights()])
        done = cut
        for method, found in maps().items():
            rows[method].append(rank_correlation(trained[method], found))
    return {
        "layers": [int(cut) for cut in cuts],
        "of": len(layers),
        "methods": {m: {"rank_correlation": np.stack(r)} for m, r in rows.items()},
    }


def _permuted(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(weights.reshape(-1)).reshape(weights.shape)


def _name_in(copy: keras.Model, model: keras.Model, layer: str | None) -> str | None:
    """The layer's name in the flat copy, which has no `outer/inner` paths."""
    if layer is None:
        return None
    from kerakd.models.graph import producer, tapped_graph

    _, found = tapped_graph(model, [layer])
    return producer(found[layer]).operation.name
