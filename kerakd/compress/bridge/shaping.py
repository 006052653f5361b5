"""Pooling, padding, resizing, reshaping, and what acts in training alone."""

from typing import Any

from kerakd.compress.bridge.table import layer, operation, options, refuse
from kerakd.errors import ModelError

_LAST = {"data_format": "channels_last"}


@layer("MaxPooling2D", "AveragePooling2D")
def pool(scope, owner, x):
    arguments = options(owner, keep=("pool_size", "strides", "padding"), fixed=_LAST)
    return scope.call(type(owner).__name__, owner, x, **arguments)


@layer("GlobalAveragePooling2D", "GlobalMaxPooling2D")
def pool_all(scope, owner, x):
    arguments = options(owner, keep=("keepdims",), fixed=_LAST)
    return scope.call(type(owner).__name__, owner, x, **arguments)


@layer("ZeroPadding2D")
def zero_padding(scope, owner, x):
    arguments = options(
        owner, keep=("padding",), fixed=_LAST | {"mode": "constant", "value": 0.0}
    )
    return scope.call("ZeroPadding2D", owner, x, **arguments)


@layer("Cropping2D")
def cropping(scope, owner, x):
    arguments = options(owner, keep=("cropping",), fixed=_LAST)
    return scope.call("Cropping2D", owner, x, **arguments)


@layer("UpSampling2D")
def upsampling(scope, owner, x):
    arguments = options(owner, keep=("size", "interpolation"), fixed=_LAST)
    return scope.call("UpSampling2D", owner, x, **arguments)


@layer("Resizing")
def resizing(scope, owner, x):
    arguments = options(
        owner,
        keep=("height", "width", "interpolation", "crop_to_aspect_ratio"),
        fixed=_LAST | {"fill_mode": "constant", "fill_value": 0.0, "antialias": False},
    )
    return scope.call("Resizing", owner, x, **arguments)


@layer("Flatten")
def flatten(scope, owner, x):
    options(owner, fixed=_LAST)
    return scope.call("Flatten", owner, x)


@layer("Reshape")
def reshape(scope, owner, x):
    return scope.call("Reshape", owner, x, **options(owner, keep=("target_shape",)))


@layer("Permute")
def permute(scope, owner, x):
    return scope.call("Permute", owner, x, **options(owner, keep=("dims",)))


@layer("Identity")
def identity(scope, owner, x):
    return x


@layer("Dropout")
def dropout(scope, owner, x):
    arguments = options(owner, keep=("rate", "seed", "noise_shape"))
    return scope.call("Dropout", owner, x, **arguments)


@layer("SpatialDropout2D")
def spatial_dropout(scope, owner, x):
    # Its seed is drawn anew there; which units fall is all that it says.
    arguments = options(owner, keep=("rate",), rename={"seed": "seed"}, fixed=_LAST)
    arguments.pop("seed", None)
    return scope.call("SpatialDropout2D", owner, x, **arguments)


@layer("GaussianNoise")
def gaussian_noise(scope, owner, x):
    arguments = options(owner, keep=("stddev", "seed"))
    return scope.call("GaussianNoise", owner, x, **arguments)


@layer("GaussianDropout")
def gaussian_dropout(scope, owner, x):
    arguments = options(owner, keep=("rate", "seed"))
    return scope.call("GaussianDropout", owner, x, **arguments)


@operation("Identity", "Copy")
def identity_function(scope, owner, x, *_: Any):
    return x


@operation("Cast")
def cast(scope, owner, x):
    # The bridge computes in float32 throughout, whatever the policies were.
    if owner.dtype not in ("float32", "float16", "bfloat16"):
        raise ModelError(
            f"The operation {owner.name!r} casts to {owner.dtype}, and the bridge "
            "computes in float32."
        )
    if x.dtype == "float32":
        return x
    return scope.call("Rescaling", owner, x, scale=1.0)


@operation("Mean", "Max")
def reduce(scope, owner, x, *_: Any):
    axes = owner.axis if isinstance(owner.axis, tuple | list) else (owner.axis,)
    rank = len(x.shape)
    if rank != 4 or None in axes or sorted(a % rank for a in axes) != [1, 2]:
        refuse(owner, "axis", owner.axis, "only both spatial axes do")
    kind = {"Mean": "Average", "Max": "Max"}[type(owner).__name__]
    return scope.call(f"Global{kind}Pooling2D", owner, x, keepdims=bool(owner.keepdims))


@operation("Reshape")
def reshape_function(scope, owner, x, *_: Any):
    shape = tuple(owner.newshape)
    if shape[0] not in (-1, None):
        refuse(owner, "newshape", shape, "the batch axis must stay: -1")
    return scope.call("Reshape", owner, x, target_shape=shape[1:])
