"""Normalisation and the arithmetic with constants that is like it."""

import numpy as np

from kerakd.compress.bridge.table import layer, options, refuse

_AFFINE = (
    "center", "scale", "beta_regularizer", "gamma_regularizer", "beta_constraint",
    "gamma_constraint",
)  # fmt: skip


@layer("BatchNormalization")
def batch_normalization(scope, owner, x):
    arguments = options(
        owner,
        keep=("axis", "momentum", "epsilon", "synchronized", *_AFFINE),
        fixed={"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
    )
    if not arguments.get("synchronized"):
        arguments.pop("synchronized", None)
    # The fused kernel rounds otherwise, which many layers add up, and in training
    # keeps the variance of a sample (n - 1) where Keras 3 keeps that of the batch.
    return scope.call("BatchNormalization", owner, x, fused=False, **arguments)


@layer("LayerNormalization")
def layer_normalization(scope, owner, x):
    arguments = options(
        owner, keep=("axis", "epsilon", *_AFFINE), fixed={"rms_scaling": False}
    )
    return scope.call("LayerNormalization", owner, x, **arguments)


@layer("GroupNormalization")
def group_normalization(scope, owner, x):
    arguments = options(owner, keep=("groups", "axis", "epsilon", *_AFFINE))
    return scope.call("GroupNormalization", owner, x, **arguments)


@layer("Rescaling")
def rescaling(scope, owner, x):
    arguments = options(owner, keep=("scale", "offset"))
    return rescale(scope, owner, x, arguments["scale"], arguments["offset"])


@layer("Normalization", weights={})
def normalization(scope, owner, x):
    """With its statistics as constants; they are no weights that learn."""
    rank = len(owner._build_shapes_dict["input_shape"]) if owner.built else len(x.shape)
    if owner.invert:
        refuse(owner, "invert", True, "only False does")
    if owner.axis not in (None, (), (-1,), (rank - 1,)):
        refuse(owner, "axis", owner.axis, "only the last axis does")
    mean = np.ravel(np.asarray(owner.mean, np.float64))
    deviation = np.sqrt(np.ravel(np.asarray(owner.variance, np.float64)))
    deviation = np.maximum(deviation, 1e-7)
    return rescale(scope, owner, x, 1 / deviation, -mean / deviation)


def rescale(scope, owner, x, scale, offset):
    """`x * scale + offset`, each step a layer with a range of its own.

    Args:
        scope: The scope.
        owner: The operation that it is done for.
        x: A legacy tensor.
        scale: A number, or one for each channel.
        offset: A number, or one for each channel.
    """
    scale, offset = _plain(owner, scale), _plain(owner, offset)
    if scale != 1.0:
        suffix = "scale" if offset != 0.0 else ""
        x = scope.call("Rescaling", owner, x, suffix, scale=scale)
    if offset != 0.0 or scale == 1.0:
        x = scope.call("Rescaling", owner, x, scale=1.0, offset=offset)
    return x


def _plain(owner, value):
    """A number or a list of one for each channel."""
    array = np.asarray(value, np.float64)
    if array.size == 1:
        return float(array.ravel()[0])
    if array.shape[-1] != array.size:
        refuse(
            owner,
            "constant",
            array.shape,
            "a constant is one number or one for each channel",
        )
    return array.ravel().tolist()
