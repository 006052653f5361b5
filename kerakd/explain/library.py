"""The same maps by tf-keras-vis itself: the reference of `kerakd.explain.cams`.

Slower, and with its traps met: it gets a flattened clone (it finds no way through
nested and Sequential models, nor through layers that were called before in another
graph), our layer and our scores on logits. Its maps come back at the layer's own size,
before its own resizing.
"""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd.errors import RecipeError, nearest
from kerakd.explain.network import Network, network_of
from kerakd.explain.resizing import normalise
from kerakd.models.graph import producer

METHODS = ("gradcam", "gradcam_plus_plus", "layercam", "scorecam", "saliency")


def reference(
    model: Any,
    images: Any,
    method: str = "gradcam",
    classes: Any = None,
    layer: str | None = None,
    region: Any = None,
) -> np.ndarray:
    """Maps by tf-keras-vis, each spread over 0..1 as ours are.

    Args:
        model: As in `kerakd.explain.explain`.
        images: Pictures (B, H, W, C).
        method: `"gradcam"`, `"gradcam_plus_plus"`, `"layercam"`, `"scorecam"` or
            `"saliency"`.
        classes: As in `kerakd.explain.explain`.
        layer: The same.
        region: The same.

    Returns:
        float32 of shape (B, h, w). From a logit of about 89 on its Grad-CAM++ is NaN.
        Its Score-CAM enlarges activations its own way, so it equals ours only where the
        layer has the size of the picture, and knows neither one logit nor pixels.

    Raises:
        RecipeError: tf-keras-vis has no such method.
        ModelError: As `kerakd.explain.explain`.
    """
    if method not in METHODS:
        raise RecipeError(
            f"tf-keras-vis has no method {method!r}. {nearest(method, METHODS)}"
        )
    network = network_of(model, layer)
    x = network.check(images)
    classes, region = network.targets(x, classes, region)
    clone, name = flattened_clone(network)
    options = {"normalize_cam": False, "expand_cam": False}
    if method == "saliency":
        options = {"normalize_map": False}
    else:
        options |= {"penultimate_layer": name, "seek_penultimate_conv_layer": False}
    tool = _tool(method)(clone, clone=False)
    if method == "scorecam":
        # It gives the score what its own softmax made of the logits.
        return _asked(
            tool, lambda chances: tf.gather(chances, classes, batch_dims=1), x, options
        )

    def score(logits):
        return network._scores(logits, classes, region)

    return _asked(tool, score, x, options)


def _asked(tool: Any, score: Any, x: np.ndarray, options: dict) -> np.ndarray:
    # Its own spreading adds 1e-7 to the range, which flattens faint maps.
    return normalise(np.asarray(tool(score, x, **options)))


def flattened_clone(network: Network) -> tuple[keras.Model, str]:
    """A flat copy with weights of its own, and the name of the layer to read in it."""
    features = network.features
    clone = keras.models.clone_model(features.flat)
    clone.set_weights(features.flat.get_weights())
    return clone, producer(features.tensor).operation.name


def _tool(method: str) -> Any:
    with warnings.catch_warnings():
        # It imports SciPy's zoom by an old name.
        warnings.simplefilter("ignore", DeprecationWarning)
        from tf_keras_vis.gradcam import Gradcam
        from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
        from tf_keras_vis.layercam import Layercam
        from tf_keras_vis.saliency import Saliency
        from tf_keras_vis.scorecam import Scorecam
    return {
        "gradcam": Gradcam,
        "gradcam_plus_plus": GradcamPlusPlus,
        "layercam": Layercam,
        "scorecam": Scorecam,
        "saliency": Saliency,
    }[method]
