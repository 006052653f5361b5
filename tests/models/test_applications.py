"""Each backbone against Keras's own, fed with the same pixels and the same weights."""

import keras
import numpy as np
import pytest

from kerakd.models import build, taps

APPLICATIONS = {
    "efficientnet_v2_b0": (
        keras.applications.EfficientNetV2B0,
        keras.applications.efficientnet_v2.preprocess_input,
        {},
    ),
    "mobilenet_v2": (
        keras.applications.MobileNetV2,
        keras.applications.mobilenet_v2.preprocess_input,
        {"alpha": 0.35},
    ),
    "mobilenet_v3_small": (
        keras.applications.MobileNetV3Small,
        keras.applications.mobilenet_v3.preprocess_input,
        {"alpha": 0.5, "minimalistic": True},
    ),
    "resnet50": (
        keras.applications.ResNet50,
        keras.applications.resnet50.preprocess_input,
        {},
    ),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_gives_the_features_that_keras_gives(name, tmp_path, pictures):
    function, preprocess, options = APPLICATIONS[name]
    shape = (32, 40, 3)
    reference = function(
        include_top=False, weights=None, input_shape=shape, pooling="avg", **options
    )
    path = tmp_path / "backbone.weights.h5"
    reference.save_weights(path)
    with pytest.warns(UserWarning, match="logits of .* stays new"):
        model = build(name, 4, shape, weights=path, **options)
    x = pictures(shape)
    ours = taps(model, ["features"])(x)["features"]
    theirs = reference(preprocess(x.astype("float32")))
    scale = np.abs(theirs).max()
    assert scale > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * scale)
