"""Batches of images for `fit`, `evaluate` and the teacher cache."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from kerakd.data import store
from kerakd.data.augment import Augmentation, apply, mix_labels
from kerakd.data.plan import INDEX, PARTNER, Plan, of_partners
from kerakd.data.samples import Samples
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
        self._mixes = mixes
        self._plan = Plan(
            samples.ids, seed, self.order_seed, self.shuffle, self.augment, self.views
        )
        self._labels = samples.labels
        self._class_weights = _class_weights(
            class_weight, samples.class_names, self._labels
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
        return self._plan.order(epoch)

    def view(self, epoch: int) -> int:
        """Which version of the images an epoch shows."""
        return self._plan.view(epoch)

    def dataset(self, epochs: int = 1, start_step: int = 0) -> tf.data.Dataset:
        """The batches from one step of training on to the end of another epoch.

        Args:
            epochs: Number of epochs from the very beginning, not from `start_step`.
            start_step: The step to start at, counted from the very beginning: where a
                stopped training goes on.

        Returns:
            A finite dataset of `epochs * steps_per_epoch - start_step` batches.
        """
        steps = epochs * self.steps_per_epoch
        if not 0 <= start_step <= steps:
            raise RecipeError(
                f"start_step must be from 0 to {steps} ({epochs} epochs of "
                f"{self.steps_per_epoch} steps), not {start_step}."
            )
        first, done = divmod(start_step, self.steps_per_epoch)
        # These names, and not self: TensorFlow never lets go of a Python function that
        # a dataset calls, and the images would stay in memory with it.
        plan, skipped = self._plan, done * self.batch_size

        def rows_of(epoch):
            positions = plan.order(epoch)[skipped if epoch == first else 0 :]
            return plan.rows(positions, plan.view(epoch))

        epochs_left = tf.data.Dataset.range(first, epochs)
        return self._batches(epochs_left, rows_of, self._example, steps - start_step)

    def at_view(self, view: int, with_index: bool = True) -> tf.data.Dataset:
        """All samples in table order as they look at one view: for a teacher cache.

        Args:
            view: The view.
            with_index: Whether to give `(x, index)`, the position of each sample
                (int64), in place of what `dataset` gives.

        Returns:
            A finite dataset of `steps_per_epoch` batches.
        """
        plan, everything = self._plan, np.arange(len(self.samples))

        def rows_of(_):
            return plan.rows(everything, view)

        def indexed(x, rows):
            return x, rows[INDEX]

        finish = indexed if with_index else self._example
        one = tf.data.Dataset.range(1)
        return self._batches(one, rows_of, finish, self.steps_per_epoch)

    def _batches(self, source, rows_of, finish, count: int) -> tf.data.Dataset:
        """Rows of each element of `source`, cut into batches and turned into pixels."""
        example = self._plan.rows(np.arange(1), 0)
        names = list(example)
        types = [column.dtype for column in example.values()]

        def columns_of(number):
            # One call of Python for an epoch, none for a batch.
            columns = tf.numpy_function(
                lambda n: list(rows_of(int(n)).values()), [number], types
            )
            for name, column in zip(names, columns, strict=True):
                column.set_shape([None, *example[name].shape[1:]])
            return dict(zip(names, columns, strict=True))

        def rows_in_batches(columns):
            return tf.data.Dataset.from_tensor_slices(columns).batch(self.batch_size)

        images = self._images

        def pixels(rows):
            x = {key: self._pixels(images[key], rows) for key in images}
            return finish(x[""] if self.sizes is None else x, rows)

        options = tf.data.Options()
        options.deterministic = True
        return (
            source.map(columns_of)
            .prefetch(1)
            .flat_map(rows_in_batches)
            .map(pixels, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(2)
            .apply(tf.data.experimental.assert_cardinality(count))
            .with_options(options)
        )

    @cached_property
    def _images(self) -> dict[str, tf.Tensor]:
        """All images at each size, uint8, sharing the memory of the store."""
        arrays = store.open_store(
            self.samples,
            list(self._shapes.values()),
            self.memory_budget,
            self.cache_dir,
        )
        return {
            key: tf.experimental.dlpack.from_dlpack(arrays[shape].__dlpack__())
            for key, shape in self._shapes.items()
        }

    def _pixels(self, images: tf.Tensor, rows: dict[str, tf.Tensor]) -> tf.Tensor:
        own = tf.gather(images, rows[INDEX])
        if not self._mixes:
            return apply(self.augment, rows, own)
        partners = tf.gather(images, rows[PARTNER])
        return apply(self.augment, rows, own, of_partners(rows), partners)

    def _example(self, x, rows: dict[str, tf.Tensor]) -> tuple:
        y = self._looked_up(self._labels, rows, one_hot=self.one_hot)
        if self._class_weights is None:
            return x, y
        return x, y, self._looked_up(self._class_weights[self._labels], rows)

    def _looked_up(self, values: np.ndarray, rows, one_hot: bool = False) -> tf.Tensor:
        """Values of the samples of a batch, mixed as their images are."""

        def of(positions):
            found = tf.gather(tf.constant(values), positions)
            return tf.one_hot(found, len(self.class_names)) if one_hot else found

        own = of(rows[INDEX])
        return mix_labels(own, of(rows[PARTNER]), rows) if self._mixes else own


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
