"""Small forms of every model, each built once for all tests here."""

import urllib.request

import h5py
import numpy as np
import pytest

SMALL = {
    "plain_cnn": {"input_shape": (32, 32, 1), "width": 0.25},
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


def write_as_downloaded(model, path):
    """The layout of the files that `keras.applications` downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [x.name.encode() for x in model.layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.2.4"
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{v.name}:0" for v in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and empty caches of Keras and kagglehub; gives Keras's.

    Keras notes its folder when it is imported and urllib its proxies at its first
    request, so the environment alone does not move them.
    """
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)
    home = tmp_path / "keras"
    (home / "models").mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(home))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    return home / "models"


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
