"""Batches of images for `fit`, `evaluate` and the teacher cache."""

import os
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from types import ModuleType
from typing import Any

import keras
import numpy as np

from kerakd.data import numpy_batches, store
from kerakd.data.augment import Augmentation
from kerakd.data.plan import Plan
from kerakd.data.samples import Samples
from kerakd.data.stream import Stream
from kerakd.errors import DataError, RecipeError, nearest


def batches(
    samples: Samples, image_size: int | tuple[int, int] | None = None, **options
) -> "ImageBatches":
    """Batches of images from a table of samples.

    Args:
        samples: The images, e.g. `samples.subset("train")`.
        image_size: Height and width in pixels, or one number for both.
        **options: Those of `ImageBatches`.

    Example:

    ```python
    samples = kerakd.data.split(kerakd.data.load_images("brain-tumor-mri"))
    train = kerakd.data.batches(
        samples.subset("train"), 128, shuffle=True, augment="flip_rotation"
    )
    validation = kerakd.data.batches(samples.subset("validation"), 128)
    model.fit(
        train.dataset(epochs=10),
        epochs=10,
        steps_per_epoch=train.steps_per_epoch,
        validation_data=validation.dataset(),
    )
    ```
    """
    return ImageBatches(samples, image_size, **options)


class ImageBatches:
    """A source of batches without a state: what comes at a step is a pure function.

    Images are decoded and resized once, when first needed, and held as 8-bit pixels.
    The order of an epoch is a pure function of (seed, epoch), and what augmentation
    does to an image one of (seed, view, sample id): a dataset that starts at a later
    step continues to the bit where another would have been, and peeking into a dataset
    changes nothing.

    Batches are `(x, y)`, or `(x, y, weight)` with `class_weight`. `x` holds raw pixels,
    float32 in 0..255 of shape `(batch, height, width, channels)`, or a dict of such
    with `sizes`; `y` is the class index (int32, `(batch,)`) or one-hot (float32,
    `(batch, classes)`). The last batch of an epoch holds what is left.

    Args:
        samples: The images; also those that partners of MixUp and CutMix come from.
        image_size: Height and width in pixels, or one number for both. Not needed with
            `sizes`.
        channels: 3 for RGB, 1 for grey.
        batch_size: Images in a batch.
        shuffle: Whether each epoch has an order of its own; table order otherwise.
        seed: Of the augmentation, and of the order where that has no seed of its own.
        order_seed: Of the order alone, for trainings that share one teacher cache.
        augment: An `Augmentation`, the name of a preset, a mapping of options, or None.
        views: Number of versions of the images: epoch `e` shows version `e % views`, so
            that a teacher can be cached for all of them. None shows a new version in
            each epoch.
        one_hot: Whether `y` is one-hot; by default where images are mixed.
        class_weight: Weight by class (name or index); classes not named weigh 1.
            `"balanced"` weighs all classes alike: `n / (classes * n_class)`.
        sizes: Inputs by routing key: `{"student": (128, 3), "teacher": (224, 3)}`, each
            `(image_size, channels)`. One draw of augmentation is applied at all sizes.
        memory_budget: Bytes that the decoded images may take in memory; files in
            `cache_dir` are used beyond that.
        cache_dir: The folder for them; by default one in the user's cache folder.

    Raises:
        RecipeError: An option has a wrong value.
        DataError: There are no samples.
    """

    def __init__(
        self,
        samples: Samples,
        image_size: int | tuple[int, int] | None = None,
        *,
        channels: int = 3,
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        order_seed: int | None = None,
        augment: Augmentation | str | Mapping | None = None,
        views: int | None = None,
        one_hot: bool | None = None,
        class_weight: Mapping[str | int, float] | str | None = None,
        sizes: Mapping[str, tuple] | None = None,
        memory_budget: int = 2 * 2**30,
        cache_dir: str | os.PathLike | None = None,
    ):
        if len(samples) == 0:
            raise DataError(
                "There are no samples to make batches of; is the split empty, or not "
                "made yet (kerakd.data.split)?"
            )
        self.samples = samples
        self.image_size = image_size
        self.channels = channels
        self.sizes = sizes
        self.class_weight = class_weight
        self.batch_size = _whole_number("batch_size", batch_size)
        self.shuffle = bool(shuffle)
        self.seed = _whole_number("seed", seed, lowest=0)
        self.order_seed = seed if order_seed is None else order_seed
        self.views = None if views is None else _whole_number("views", views)
        self.augment = Augmentation.of(augment)
        self.memory_budget = memory_budget
        self.cache_dir = cache_dir
        self._shapes = _shapes(image_size, channels, sizes)

        if self.augment is not None and self.augment.only_for_slices:
            raise RecipeError(
                f"augment: {', '.join(self.augment.only_for_slices)} are for slices of "
                "volumes; pictures have brightness, contrast and saturation."
            )
        mixes = self.augment is not None and self.augment.mixes
        if mixes and one_hot is False:
            raise RecipeError(
                "mixup and cutmix mix labels, which one_hot=False cannot hold; leave "
                "one_hot out, and use categorical cross-entropy."
            )
        self.one_hot = mixes if one_hot is None else bool(one_hot)
        self.mixes = mixes
        self.plan = Plan(
            samples.ids, seed, self.order_seed, self.shuffle, self.augment, self.views
        )
        self.labels = samples.labels
        self.weights_of_classes = _class_weights(
            class_weight, samples.class_names, self.labels
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; the position is the integer label."""
        return self.samples.class_names

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last of which may be smaller."""
        return -(-len(self.samples) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Positions of the samples in the order of an epoch, int64 `(n,)`."""
        return self.plan.order(epoch)

    def view(self, epoch: int) -> int:
        """Which version of the images an epoch shows."""
        return self.plan.view(epoch)

    def dataset(self, epochs: int = 1, start_step: int = 0) -> Any:
        """The batches from one step of training on to the end of another epoch.

        Args:
            epochs: Number of epochs from the very beginning, not from `start_step`.
            start_step: The step to start at, counted from the very beginning: where a
                stopped training goes on.

        Returns:
            `epochs * steps_per_epoch - start_step` batches: a finite `tf.data.Dataset`
            where Keras runs on TensorFlow, else what `stream` gives.
        """
        return self._engine().batches_from(self, epochs, start_step)

    def stream(self, epochs: int = 1, start_step: int = 0) -> Stream:
        """As `dataset`, as a `keras.utils.PyDataset` of arrays, without TensorFlow."""
        return numpy_batches.batches_from(self, epochs, start_step)

    def at_view(self, view: int, with_index: bool = True) -> Any:
        """All samples in table order as they look at one view: for a teacher cache.

        Args:
            view: The view.
            with_index: Whether to give `(x, index)`, the position of each sample
                (int64), in place of what `dataset` gives.

        Returns:
            `steps_per_epoch` batches, in the form that `dataset` has.
        """
        return self._engine().at_view(self, view, with_index)

    def part(self, rows: range) -> "ImageBatches":
        """The same batches of some neighbouring samples alone, in table order.

        Args:
            rows: Their positions; what is drawn for a picture does not depend on them.

        Raises:
            RecipeError: Pictures are mixed, and a partner may lie outside.
        """
        if self.mixes:
            raise RecipeError("Batches that are mixed cannot be taken apart.")
        part = copy(self)
        for name in ("arrays", "tensors"):
            part.__dict__.pop(name, None)
        part.samples = self.samples.take(np.asarray(rows))
        part.labels = part.samples.labels
        part.plan = self.plan.of(part.samples.ids)
        return part

    # For tensorflow_batches and numpy_batches --------------------------------------

    @staticmethod
    def _engine() -> ModuleType:
        if keras.backend.backend() != "tensorflow":
            return numpy_batches
        from kerakd.data import tensorflow_batches

        return tensorflow_batches

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All images by routing key, uint8 `(n, height, width, channels)`."""
        arrays = store.open_store(
            self.samples,
            list(self._shapes.values()),
            self.memory_budget,
            self.cache_dir,
        )
        return {key: arrays[shape] for key, shape in self._shapes.items()}

    @cached_property
    def tensors(self) -> dict:
        """`arrays` as TensorFlow sees them."""
        from kerakd.data import tensorflow_batches

        return tensorflow_batches.tensors(self)


def _whole_number(name: str, value: Any, lowest: int = 1) -> int:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < lowest:
        raise RecipeError(
            f"{name} must be a whole number from {lowest} on, not {value!r}."
        )
    return int(value)


def _shapes(image_size, channels, sizes) -> dict[str, store.Shape]:
    """`(height, width, channels)` by routing key; `""` where `x` is no dict."""
    if sizes is None:
        return {"": _shape("image_size", image_size, channels)}
    if not isinstance(sizes, Mapping) or not sizes:
        raise RecipeError(
            'sizes must be like {"student": (128, 3), "teacher": (224, 3)}, not '
            f"{sizes!r}."
        )
    shapes = {}
    for key, value in sizes.items():
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise RecipeError(
                f"sizes[{key!r}] must be (image size, channels), not {value!r}."
            )
        shapes[key] = _shape(f"sizes[{key!r}]", *value)
    return shapes


def _shape(name: str, image_size, channels) -> store.Shape:
    pair = image_size if isinstance(image_size, tuple | list) else (image_size,) * 2
    if len(pair) != 2:
        raise RecipeError(f"{name} must be (height, width), not {image_size!r}.")
    if channels not in (1, 3):
        raise RecipeError(f"{name}: channels must be 1 or 3, not {channels!r}.")
    return (*(_whole_number(name, side) for side in pair), channels)


def _class_weights(
    given: Mapping | str | None, class_names: tuple[str, ...], labels: np.ndarray
) -> np.ndarray | None:
    """float32 weight by class index, or None."""
    if given is None:
        return None
    if given == "balanced":
        counts = np.bincount(labels, minlength=len(class_names))
        # A class without samples has no say; any finite weight will do.
        return (len(labels) / (len(counts) * np.maximum(counts, 1))).astype(np.float32)
    if not isinstance(given, Mapping):
        raise RecipeError(
            'class_weight must be a mapping from class to weight, or "balanced"; not '
            f"{given!r}."
        )
    weights = np.ones(len(class_names), np.float32)
    for key, weight in given.items():
        if key in class_names:
            index = class_names.index(key)
        elif isinstance(key, int) and 0 <= key < len(class_names):
            index = key
        else:
            raise RecipeError(
                f"class_weight: there is no class {key!r}. "
                + nearest(str(key), class_names)
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise RecipeError(
                f"class_weight of {key!r} must be a number, not {weight!r}."
            )
        if not 0 <= weight < float("inf"):
            raise RecipeError(
                f"class_weight of {key!r} must be finite and not negative, not "
                f"{weight!r}."
            )
        weights[index] = weight
    return weights
