"""Convolutions and dense layers."""

from kerakd.compress.bridge.activations import activate
from kerakd.compress.bridge.table import layer, options

_KERNEL = ("kernel_regularizer", "kernel_constraint")
_BIAS = ("use_bias", "bias_regularizer", "bias_constraint", "activity_regularizer")
_SHAPE = ("kernel_size", "strides", "padding", "dilation_rate")
_LAST = {"data_format": "channels_last"}


def _options(owner, *keep):
    arguments = options(owner, keep=("activation", *keep), fixed=_LAST)
    return arguments | {"activation": None}  # applied behind, as a layer


@layer("Conv2D")
def conv2d(scope, owner, x):
    arguments = _options(owner, "filters", "groups", *_SHAPE, *_KERNEL, *_BIAS)
    x = scope.call("Conv2D", owner, x, **arguments)
    return activate(scope, owner, x, owner.activation)


@layer("DepthwiseConv2D", weights={"kernel": ("", "depthwise_kernel")})
def depthwise_conv2d(scope, owner, x):
    arguments = _options(
        owner,
        "depth_multiplier",
        "depthwise_regularizer",
        "depthwise_constraint",
        *_SHAPE,
        *_BIAS,
    )
    x = scope.call("DepthwiseConv2D", owner, x, **arguments)
    return activate(scope, owner, x, owner.activation)


@layer(
    "SeparableConv2D",
    weights={
        "depthwise_kernel": ("depthwise", "depthwise_kernel"),
        "pointwise_kernel": ("", "kernel"),
    },
)
def separable_conv2d(scope, owner, x):
    """As its two convolutions: the tensor between them has a range of its own."""
    arguments = _options(
        owner,
        "filters",
        "depth_multiplier",
        "depthwise_regularizer",
        "depthwise_constraint",
        "pointwise_regularizer",
        "pointwise_constraint",
        *_SHAPE,
        *_BIAS,
    )
    spatial = ("depth_multiplier", "depthwise_regularizer", "depthwise_constraint")
    x = scope.call(
        "DepthwiseConv2D",
        owner,
        x,
        "depthwise",
        use_bias=False,
        **{key: arguments[key] for key in (*spatial, *_SHAPE)},
    )
    x = scope.call(
        "Conv2D",
        owner,
        x,
        kernel_size=1,
        filters=arguments["filters"],
        kernel_regularizer=arguments["pointwise_regularizer"],
        kernel_constraint=arguments["pointwise_constraint"],
        **{key: arguments[key] for key in _BIAS},
    )
    return activate(scope, owner, x, owner.activation)


@layer("Conv2DTranspose")
def conv2d_transpose(scope, owner, x):
    arguments = _options(owner, "filters", "output_padding", *_SHAPE, *_KERNEL, *_BIAS)
    x = scope.call("Conv2DTranspose", owner, x, **arguments)
    return activate(scope, owner, x, owner.activation)


@layer("Dense")
def dense(scope, owner, x):
    arguments = options(owner, keep=("units", "activation", *_KERNEL, *_BIAS))
    arguments["activation"] = None
    x = scope.call("Dense", owner, x, **arguments)
    return activate(scope, owner, x, owner.activation)
