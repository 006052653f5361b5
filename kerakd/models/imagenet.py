"""ImageNet weights of the backbones of `keras.applications`."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from kerakd.errors import ModelError
from kerakd.models.sources import Source, arrays_of, first_line, keras_cache


@dataclass(frozen=True)
class Application(Source):
    """The published weights of one backbone.

    Attributes:
        backbone: Name of the function in `keras.applications`.
        file: From the options and the picture's side to the name of the file in
            Keras's cache, or `None` where there are no such weights.
        available: What there are weights for, for the error.
        arguments: What the function is called with beside the options.
        bgr_kernel: The convolution that was trained on BGR pixels. The models here
            take RGB, so its kernel is turned round: as exact as turning every picture
            round, and free.
    """

    backbone: str
    file: Callable[[dict, int], str | None]
    available: str = ""
    arguments: tuple[tuple[str, bool], ...] = ()
    bgr_kernel: str | None = None

    def reference(self, input_shape, options, weights=None):
        function = getattr(keras.applications, self.backbone)
        shape_options = {k: options[k] for k in _SHAPING if k in options}
        return function(
            include_top=False,
            weights=weights,
            input_shape=(*input_shape[:2], 3),
            **shape_options,
            **dict(self.arguments),
        )

    def imagenet(self, input_shape, options):
        side = _published_side(input_shape)
        name = self.file(options, side)
        if name is None:
            given = ", ".join(f"{k}={options[k]}" for k in _SHAPING if k in options)
            raise ModelError(
                f"There are no ImageNet weights for {self.backbone} with {given}, only "
                f"for {self.available}; choose one of these or weights=None."
            )
        try:
            return self.reference((side, side), options, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception without network.
            raise ModelError(
                f"The ImageNet weights of {self.backbone} are not at hand and could "
                f"not be downloaded ({first_line(error)}). Put the file {name} into "
                f"{keras_cache()} (KERAS_HOME moves that folder), or give the path of "
                "a weights file, or weights=None to begin with random ones."
            ) from error

    def convert(self, reference):
        arrays = arrays_of(reference)
        if self.bgr_kernel is not None:
            kernel, *rest = arrays[self.bgr_kernel]
            arrays[self.bgr_kernel] = [kernel[:, :, ::-1], *rest]
        return arrays


_SHAPING = ("alpha", "minimalistic")


def _published_side(input_shape: tuple) -> int:
    """The picture size whose weights Keras would take (MobileNetV2 has several)."""
    height, width = input_shape[:2]
    sizes = (96, 128, 160, 192, 224)
    return height if height == width and height in sizes else 224


def _mobilenet_v2_file(options: dict, side: int) -> str | None:
    alpha = float(options.get("alpha", 1.0))
    if alpha not in (0.35, 0.5, 0.75, 1.0, 1.3, 1.4):
        return None
    return f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{side}_no_top.h5"


def _mobilenet_v3_file(options: dict, side: int) -> str | None:
    alpha = float(options.get("alpha", 1.0))
    plain = options.get("minimalistic", False)
    if alpha not in ((1.0,) if plain else (0.75, 1.0)):
        return None
    kind = "small_minimalistic" if plain else "small"
    return f"weights_mobilenet_v3_{kind}_224_{alpha}_float_no_top_v2.h5"


def _always(name: str) -> Callable[[dict, int], str]:
    return lambda options, side: name


_RAW = (("include_preprocessing", False),)

RESNET50 = Application(
    "ResNet50",
    _always("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    bgr_kernel="conv1_conv",
)
RESNET101 = Application(
    "ResNet101",
    _always("resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5"),
    bgr_kernel="conv1_conv",
)
MOBILENET_V2 = Application(
    "MobileNetV2", _mobilenet_v2_file, "alpha 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4"
)
MOBILENET_V3_SMALL = Application(
    "MobileNetV3Small",
    _mobilenet_v3_file,
    "alpha 0.75 and 1.0 (1.0 where it is minimalistic)",
    arguments=_RAW,
)
EFFICIENTNET_V2_B0 = Application(
    "EfficientNetV2B0", _always("efficientnetv2-b0_notop.h5"), arguments=_RAW
)
