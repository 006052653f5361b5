"""Small forms of every model, each built once for all tests here."""

import numpy as np
import pytest

SMALL = {
    "alexnet": {"input_shape": (67, 67, 1), "width": 0.1, "dense_units": 16},
    "deit_small": {
        "input_shape": (32, 48, 3),
        "num_layers": 2,
        "hidden_dim": 24,
        "num_heads": 2,
        "intermediate_dim": 48,
    },
    "efficientnet_v2_b0": {"input_shape": (32, 32, 3)},
    "mobilenet_v2": {"input_shape": (32, 32, 3), "alpha": 0.35},
    "mobilenet_v3_small": {"input_shape": (32, 32, 3), "alpha": 0.5},
    "resnet101": {"input_shape": (32, 32, 3)},
    "resnet50": {"input_shape": (32, 32, 3)},
}
CLASSES = 4


@pytest.fixture(scope="session")
def classifiers():
    """`classifiers(name)`: the small form of a model. Tests leave it as it was."""
    from kerakd.models import build

    made = {}

    def get(name):
        if name not in made:
            made[name] = build(name, CLASSES, **SMALL[name])
        return made[name]

    return get


@pytest.fixture(scope="session")
def pictures():
    """`pictures(shape)`: two pictures of raw pixels, uint8, always the same."""

    def get(shape, count=2):
        generator = np.random.default_rng(0)
        return generator.integers(0, 256, (count, *shape), dtype=np.uint8)

    return get
