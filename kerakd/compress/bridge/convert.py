"""`to_tf_keras` and `from_tf_keras`."""

from typing import Any

import keras
import numpy as np

from kerakd.compress.bridge.check import check_equal
from kerakd.compress.bridge.replay import replay
from kerakd.compress.bridge.weights import carry_back, carry_over
from kerakd.compress.precision import in_float32
from kerakd.errors import ModelError
from kerakd.models.graph import calls, flatten, require_graph

TOLERANCE = 1e-5


def to_tf_keras(model: keras.Model, seed: int = 0) -> Any:
    """The same network in tf_keras (Keras 2), as TFMOT takes it.

    The graph is replayed call by call, nested models flattened, weights copied. The
    twin computes in float32 and has compared itself with `model` on random pixels
    before it is returned. Its layers are named `"bridge_<name>"`; a SeparableConv2D
    becomes its two convolutions, an activation inside of a layer one behind it, and
    hard-swish `(x / 6) * relu6(x + 3)`. `model` is not touched, and neither is what
    TensorFlow's own `keras` attribute means.

    Args:
        model: A functional or built Sequential model of images.
        seed: Of the random pixels of the check.

    Returns:
        A functional `tf_keras.Model`.

    Raises:
        ModelError: The model is subclassed, a layer, option or activation has no
            equal there (it is named), or the twin differs by more than 1e-5 of the
            largest output (the first layer that differs is named).

    Example:

    ```python
    import keras
    import kerakd

    model = keras.applications.DenseNet121(weights=None, classifier_activation=None)
    twin = kerakd.compress.to_tf_keras(model)
    # ... twin.fit, or anything of TFMOT ...
    model = kerakd.compress.from_tf_keras(twin, model)
    ```
    """
    require_graph(model)
    flat = flat_twin(model)
    legacy, stations = replay(flat)
    carry_over(flat, legacy)
    check_equal(flat, legacy, stations, TOLERANCE, seed)
    return legacy


def from_tf_keras(legacy: Any, model: keras.Model) -> keras.Model:
    """A copy of a Keras 3 model with the weights of its tf_keras twin.

    Args:
        legacy: What `to_tf_keras(model)` returned, trained since; wrappers of TFMOT
            (quantised, pruned, clustered) are looked through.
        model: The Keras 3 model that it came from. It is not touched.

    Returns:
        A model of `model`'s structure, nested where that is, not compiled.

    Raises:
        ModelError: A weight is absent there or has another shape, is not finite, or
            `model` cannot be rebuilt from its configuration.
    """
    require_graph(model)
    copy = copy_of(model)
    carry_back(flatten(copy), legacy)
    for variable in copy.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(variable.value)).all():
            raise ModelError(
                f"The weight {variable.path!r} is not finite after training; lower "
                "the learning rate."
            )
    return copy


def flat_twin(model: keras.Model) -> keras.Model:
    """The model flattened, in float32."""
    flat = flatten(model)
    if len(flat.inputs) == len(flat.outputs) == 1:
        return in_float32(flat)
    return flat


def copy_of(model: keras.Model) -> keras.Model:
    """A Keras 3 model rebuilt from its configuration, with the same weights."""
    classes = {
        type(call.operation).__name__: type(call.operation)
        for call in calls(flatten(model))
        # Keras knows its own; by a bare name it would take the layer Add for `x + 3`.
        if not type(call.operation).__module__.startswith("keras.")
    }
    try:
        with keras.utils.custom_object_scope(classes):
            copy = type(model).from_config(model.get_config())
        copy.set_weights(model.get_weights())
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise ModelError(
            f"Cannot rebuild model {model.name!r} from its configuration "
            f"({str(error).strip().splitlines()[0]}); give its custom layers a "
            "complete get_config()."
        ) from error
    for one, other in zip(model._flatten_layers(), copy._flatten_layers(), strict=True):
        other.trainable = one.trainable if not isinstance(one, keras.Model) else True
    return copy
