"""Models by name."""

import importlib
import inspect
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from kerakd.errors import ModelError, nearest


class Entry(NamedTuple):
    """Where a model is made, as `"module:attribute"`, imported when first built.

    Attributes:
        builder: A function `(num_classes, input_shape=..., *, options...)` that gives
            a model with random weights.
        source: The `kerakd.models.sources.Source` of its published weights, if any.
    """

    builder: str
    source: str | None = None


_APPLICATIONS = "kerakd.models.applications"
_IMAGENET = "kerakd.models.imagenet"

MODELS = {
    "alexnet": Entry("kerakd.models.alexnet:alexnet"),
    "deit_small": Entry("kerakd.models.deit:deit_small", "kerakd.models.deit:SOURCE"),
    "plain_cnn": Entry("kerakd.models.plain_cnn:plain_cnn"),
    **{
        name: Entry(f"{_APPLICATIONS}:{name}", f"{_IMAGENET}:{name.upper()}")
        for name in (
            "efficientnet_v2_b0",
            "mobilenet_v2",
            "mobilenet_v3_small",
            "resnet101",
            "resnet50",
        )
    },
    "unet_student": Entry("kerakd.models.unet:unet_student"),
    "unet_teacher": Entry("kerakd.models.unet:unet_teacher"),
}


def names() -> list[str]:
    """The names that `build` takes, sorted."""
    return sorted(MODELS)


def options(name: str) -> dict[str, Any]:
    """The options of a model and their defaults.

    Args:
        name: One of `names()`.

    Returns:
        Option to default value; `input_shape` is the picture the model is made for.
    """
    parameters = inspect.signature(_builder(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "num_classes"}


def build(
    name: str,
    num_classes: int,
    input_shape: tuple[int, int, int] | None = None,
    weights: str | os.PathLike | None = None,
    **options: Any,
) -> keras.Model:
    """A classifier or U-Net: one flat functional graph from pictures to logits.

    A classifier's pictures are RGB or grey with values in 0..255, of any dtype;
    normalisation is inside, so an exported file takes raw pixels. A U-Net's are slices
    of any number of channels, normalised by case. The last layer is named `"logits"`,
    is float32 under every precision policy and has no activation. Initial weights are
    drawn with Keras's seed: call `keras.utils.set_random_seed` before.

    Args:
        name: One of `kerakd.models.names()`: `"resnet101"`, `"resnet50"`,
            `"mobilenet_v3_small"`, `"mobilenet_v2"`, `"efficientnet_v2_b0"`,
            `"deit_small"`, `"alexnet"`, `"plain_cnn"`, `"unet_teacher"`,
            `"unet_student"`.
        num_classes: How many classes, at least 2.
        input_shape: Height, width and channels of the pictures; what the model was
            made for if `None` (224x224x3; AlexNet 227x227x1, plain CNN 96x96x1, U-Nets
            128x128x3).
        weights: `None` for random ones; `"imagenet"` for a pretrained backbone under a
            new head; or the path of a `.keras` or `.weights.h5` file, of this model or
            of its backbone. Weights that cannot be had are an error. A file for
            other classes gives its backbone, with a warning that the head is new.
        **options: What the model can vary, such as `alpha`, `dropout`,
            `batch_norm_momentum`; `kerakd.models.options(name)` lists them.

    Returns:
        A functional `keras.Model`, not compiled, all layers trainable.

    Raises:
        ModelError: A name, option, shape or weights file cannot be used.

    Example:

    ```python
    import kerakd

    student = kerakd.models.build("mobilenet_v2", 4, (128, 128, 3), alpha=0.35)
    ```
    """
    builder = _builder(name)
    known = _options_of(builder)
    for option in options:
        if option not in known:
            raise ModelError(
                f"The model {name!r} has no option {option!r}. {nearest(option, known)}"
            )
    arguments = dict(options)
    if input_shape is not None:
        arguments["input_shape"] = input_shape
    model = builder(num_classes, **arguments)
    if weights is not None:
        from kerakd.models.weights import load_weights

        source = MODELS[name].source
        load_weights(
            model,
            weights,
            None if source is None else _resolve(source),
            {**known, **options},
        )
    return model


def _builder(name: str) -> Callable[..., keras.Model]:
    if name not in MODELS:
        raise ModelError(f"There is no model {name!r}. {nearest(str(name), MODELS)}")
    return _resolve(MODELS[name].builder)


def _options_of(builder: Callable) -> dict[str, Any]:
    parameters = inspect.signature(builder).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _resolve(place: str) -> Any:
    module, attribute = place.split(":")
    return getattr(importlib.import_module(module), attribute)
