"""What may happen to a training image: the augmentation policy of a recipe."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from kerakd.errors import RecipeError, nearest

# name: (lowest, highest, unit)
_RANGES = {
    "rotation": (0, 180, "degrees"),
    "translation": (0, 1, "a fraction of width and height"),
    "scale": (0, 0.9, "a fraction"),
    "shear": (0, 60, "degrees"),
    "brightness": (0, 1, "a fraction"),
    "contrast": (0, 1, "a fraction"),
    "saturation": (0, 1, "a fraction"),
    "elastic": (0, 0.2, "a fraction of width and height"),
    "intensity": (0, 1, "a fraction, and in standard deviations"),
    "bias_field": (0, 1, "the logarithm of a gain"),
    "mixup": (0, 100, "the alpha of Beta(alpha, alpha), 0 for none"),
    "cutmix": (0, 100, "the alpha of Beta(alpha, alpha), 0 for none"),
}
_RANDAUGMENT_RANGES = {
    "operations": (1, 8, "a number of operators per image"),
    "magnitude": (0, 1, "a fraction of each operator's strongest setting"),
}

_AFFINE = {"translation": 0.1, "scale": 0.1, "shear": 10.0}
_JITTER = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
_PRESETS = {
    "flip": {"horizontal_flip": True},
    "flip_rotation": {"horizontal_flip": True, "rotation": 15.0},
    "flip_rotation_jitter": {"horizontal_flip": True, "rotation": 15.0, **_JITTER},
    "flip_affine": {"horizontal_flip": True, "rotation": 15.0, **_AFFINE},
    "full": {"horizontal_flip": True, "rotation": 15.0, **_AFFINE, **_JITTER},
    "slices": {
        "horizontal_flip": True,
        "rotation": 15.0,
        "scale": 0.1,
        "elastic": 0.03,
        "intensity": 0.1,
        "bias_field": 0.2,
    },
}


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image; every value is a range, nothing is drawn here.

    A draw takes each parameter uniformly from its range. Pixel values change first,
    on the untouched grid (colour jitter, then the pixel operators of RandAugment);
    then all of the geometry is one bilinear transform about the centre, in the order
    flips, scale, shear, rotation, translation, with black where nothing was; the
    result is mixed with a partner last.

    Args:
        horizontal_flip: Mirror left and right in half of the draws: in one of the views
            0 and 1 of an image, in one of the views 2 and 3, and so on.
        vertical_flip: Mirror up and down in half of the draws; with both flips the
            views 0 to 3 hold all four combinations, and so on.
        rotation: Largest angle either way in degrees, 0 to 180.
        translation: Largest shift either way, as a fraction of width and of height,
            0 to 1.
        scale: Largest change of size: 0.1 draws factors from 0.9 to 1.1. 0 to 0.9.
        shear: Largest horizontal shear either way in degrees, 0 to 60.
        brightness: 0.2 draws factors from 0.8 to 1.2 on the pixels. 0 to 1.
        contrast: Likewise, on the distance from the mean of the image. 0 to 1.
        saturation: Likewise, on the distance from grey; no effect on grey images.
            0 to 1.
        randaugment: `{"operations": n, "magnitude": m}`: `n` (1 to 8) operators per
            image drawn from fourteen, with strengths around `m` (0 to 1) of the
            strongest ([Cubuk et al., 2019](https://arxiv.org/abs/1909.13719)). The
            pixel operators are KerasCV's. None for none.
        elastic: Largest shift of a 4 x 4 grid of points, each by itself and the
            picture smoothly between them, as a fraction of width and height, 0 to 0.2.
            This one and the next two are for slices of volumes, not for pictures.
        intensity: Of z-scored slices: 0.1 draws for each channel a factor from 0.9 to
            1.1 and an offset of up to 0.1 standard deviations either way. 0 to 1.
        bias_field: Largest logarithm of a gain that varies smoothly over the slice, as
            the coils of a scanner leave it: 0.3 draws gains from 0.74 to 1.35. 0 to 1.
        mixup: `alpha` of MixUp
            ([Zhang et al., 2017](https://arxiv.org/abs/1710.09412)); 0 for none.
        cutmix: `alpha` of CutMix
            ([Yun et al., 2019](https://arxiv.org/abs/1905.04899)); 0 for none. With
            `mixup` as well, each draw takes one of the two.

    Raises:
        RecipeError: A value has a wrong type or is out of range.

    Example:

    ```python
    policy = Augmentation(horizontal_flip=True, rotation=15)
    policy = Augmentation.preset("full")
    train = kerakd.data.batches(samples.subset("train"), 128, augment=policy)
    ```
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: float = 0.0
    translation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    randaugment: Mapping[str, Any] | None = None
    elastic: float = 0.0
    intensity: float = 0.0
    bias_field: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self):
        for name in ("horizontal_flip", "vertical_flip"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise RecipeError(
                    f"augment: {name} must be true or false, not {value!r}."
                )
        for name, bounds in _RANGES.items():
            number = _number(name, getattr(self, name), bounds)
            object.__setattr__(self, name, number)
        if self.randaugment is not None:
            checked = _checked_randaugment(self.randaugment)
            object.__setattr__(self, "randaugment", checked)

    @property
    def moves(self) -> bool:
        """Whether a draw can need interpolation (more than flips)."""
        linear = (self.rotation, self.translation, self.scale, self.shear)
        return any(linear) or self.elastic > 0 or self.randaugment is not None

    @property
    def only_for_slices(self) -> list[str]:
        """Names of what it asks for and only slices of volumes can have."""
        names = ("elastic", "intensity", "bias_field")
        return [name for name in names if getattr(self, name)]

    @property
    def only_for_pictures(self) -> list[str]:
        """Names of what it asks for and only 8-bit pictures can have."""
        names = (
            "brightness",
            "contrast",
            "saturation",
            "randaugment",
            "mixup",
            "cutmix",
        )
        return [name for name in names if getattr(self, name)]

    @property
    def flips(self) -> bool:
        """Whether a draw can mirror the image."""
        return self.horizontal_flip or self.vertical_flip

    @property
    def jitters(self) -> bool:
        """Whether a draw can change brightness, contrast or saturation."""
        return any((self.brightness, self.contrast, self.saturation))

    @property
    def mixes(self) -> bool:
        """Whether a draw mixes two images, so that labels are one-hot."""
        return self.mixup > 0 or self.cutmix > 0

    @classmethod
    def preset(cls, name: str, **changes) -> "Augmentation":
        """One of the policies that the recipes use.

        Args:
            name: `"flip"` (horizontal), `"flip_rotation"` (15 degrees either way),
                `"flip_rotation_jitter"` (20% of brightness, contrast and saturation
                as well), `"flip_affine"` (flip, 15 degrees, 10% shift, 10% scale,
                10 degrees shear), `"full"` (all of these) or, for slices of volumes,
                `"slices"` (flip, 15 degrees, 10% scale, elastic, intensity and bias
                field).
            **changes: Fields that differ from the preset.
        """
        if name not in _PRESETS:
            raise RecipeError(
                f"augment: there is no preset {name!r}. " + nearest(name, _PRESETS)
            )
        return cls.from_config({**_PRESETS[name], **changes})

    @classmethod
    def of(cls, value: "Augmentation | str | Mapping | None") -> "Augmentation | None":
        """A policy from what a recipe may say: a preset's name, a mapping, or none.

        Args:
            value: None, an `Augmentation`, the name of a preset, or a mapping of
                fields; a mapping may start from a preset: `{"preset": "flip",
                "mixup": 0.2}`.
        """
        if value is None or isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.preset(value)
        if not isinstance(value, Mapping):
            raise RecipeError(
                "augment must be a preset's name or a mapping of options, not "
                f"{value!r}. Presets: {', '.join(_PRESETS)}."
            )
        value = dict(value)
        if "preset" in value:
            return cls.preset(value.pop("preset"), **value)
        return cls.from_config(value)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Augmentation":
        """A policy from `get_config()` or a recipe's mapping.

        Raises:
            RecipeError: A key is unknown (the nearest are named), or a value is wrong.
        """
        known = [field.name for field in fields(cls)]
        for key in config:
            if key not in known:
                raise RecipeError(
                    f"augment: unknown key {key!r}. " + nearest(key, known)
                )
        return cls(**config)

    def get_config(self) -> dict[str, Any]:
        """All fields as a JSON-able dict; `from_config` gives the policy back."""
        return asdict(self)


def _number(name: str, value: Any, bounds: tuple[float, float, str]) -> float:
    lowest, highest, unit = bounds
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecipeError(
            f"augment: {name} must be a number from {lowest} to {highest} ({unit}), "
            f"not {value!r}."
        )
    if not lowest <= value <= highest or math.isnan(value):
        raise RecipeError(
            f"augment: {name} must be from {lowest} to {highest} ({unit}); "
            f"{value!r} is not."
        )
    return float(value)


def _checked_randaugment(value: Any) -> dict[str, Any]:
    expected = "{operations: 2, magnitude: 0.5}"
    if not isinstance(value, Mapping):
        raise RecipeError(f"augment: randaugment must be {expected}, not {value!r}.")
    for key in value:
        if key not in _RANDAUGMENT_RANGES:
            raise RecipeError(
                f"augment: unknown key 'randaugment.{key}'. "
                + nearest(key, _RANDAUGMENT_RANGES)
            )
    checked = {}
    for key, bounds in _RANDAUGMENT_RANGES.items():
        if key not in value:
            raise RecipeError(
                f"augment: randaugment.{key} is missing; write {expected}."
            )
        checked[key] = _number(f"randaugment.{key}", value[key], bounds)
    if not checked["operations"].is_integer():
        raise RecipeError(
            "augment: randaugment.operations must be a whole number from 1 to 8, not "
            f"{value['operations']!r}."
        )
    checked["operations"] = int(checked["operations"])
    return checked
