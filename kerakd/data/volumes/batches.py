"""Batches of slices and their masks for `fit` and `evaluate`."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import tensorflow as tf

from kerakd.data.augment import Augmentation, apply_to_slices
from kerakd.data.augment.drawing import order
from kerakd.data.plan import INDEX, Plan
from kerakd.data.rows import Rows
from kerakd.data.samples import Samples
from kerakd.data.stream import check_range
from kerakd.data.tensorflow_batches import in_batches
from kerakd.data.volumes.store import SliceStore
from kerakd.data.volumes.table import TUMOUR
from kerakd.errors import DataError, RecipeError


class SliceBatches:
    """A source of batches `(image, mask)` without a state.

    As in `kerakd.data.ImageBatches`, what comes at a step is a pure function of seeds,
    epoch and ids, so that a training can be taken up at any step. `image` is float32
    `(batch, height, width, channels)`, z-scored; `mask` int32 `(batch, height, width)`.

    Args:
        store: The slices.
        split: Which of them: `"train"`, `"validation"` or `"test"`.
        batch_size: Slices in a batch; the last one of an epoch holds what is left.
        shuffle: Whether each epoch has an order of its own.
        seed: Of the augmentation, and of the order where that has no seed of its own.
        order_seed: Of the order and of the choice of slices without tumour.
        augment: An `Augmentation`, the name of a preset such as `"slices"`, a mapping
            of options, or None.
        views: Number of versions of the slices, as in `ImageBatches`.
        empty_rate: Share of the slices without tumour that an epoch sees, 0 to 1; each
            epoch draws others.

    Raises:
        DataError: The split holds no slices, or there are no masks.
        RecipeError: An option has a wrong value.

    Example:

    ```python
    store = kerakd.data.volumes.SliceStore.build(volumes, 128)
    train = SliceBatches(store, "train", shuffle=True, augment="slices", empty_rate=0.3)
    kerakd.train_teacher(teacher, train, loss=kerakd.losses.DiceCrossentropy())
    ```
    """

    def __init__(
        self,
        store: SliceStore,
        split: str,
        *,
        batch_size: int = 16,
        shuffle: bool = False,
        seed: int = 0,
        order_seed: int | None = None,
        augment: Augmentation | str | Mapping | None = None,
        views: int | None = None,
        empty_rate: float = 1.0,
    ):
        if store.masks is None:
            raise DataError(
                "Some of these cases have no mask, and training needs one of each; "
                "leave those cases out."
            )
        self._rows = store.rows(split)
        if not len(self._rows):
            raise DataError(
                f"There are no slices in the split {split!r}; make the splits first "
                "(volumes.split)."
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int):
            raise RecipeError(f"batch_size must be a whole number, not {batch_size!r}.")
        if batch_size < 1:
            raise RecipeError(f"batch_size must be 1 or more, not {batch_size}.")
        if isinstance(empty_rate, bool) or not isinstance(empty_rate, int | float):
            raise RecipeError(f"empty_rate must be a number, not {empty_rate!r}.")
        if not 0 <= empty_rate <= 1:
            raise RecipeError(f"empty_rate must be from 0 to 1, not {empty_rate}.")
        self.augment = Augmentation.of(augment)
        if self.augment is not None and self.augment.only_for_pictures:
            raise RecipeError(
                f"augment: {', '.join(self.augment.only_for_pictures)} are for "
                "pictures; slices of volumes have intensity, bias_field and elastic."
            )
        self.store = store
        self.samples: Samples = store.samples.take(self._rows)
        self.batch_size = batch_size
        self.shuffle = bool(shuffle)
        self.seed = seed
        self.order_seed = seed if order_seed is None else order_seed
        self.views = views
        self.empty_rate = float(empty_rate)
        self.image_size = tuple(store.images.shape[1:3])
        self.channels = store.images.shape[3]
        # What tells these data from others, where a training is taken up.
        self.cache_key = f"{store.folder.name} {split} {self.empty_rate:g}"
        self._plan = Plan(
            self.samples.ids, seed, self.order_seed, self.shuffle, self.augment, views
        )
        tumour = (self.samples.table["label"] == TUMOUR).to_numpy()
        self._full = np.flatnonzero(tumour)
        self._empty = np.flatnonzero(~tumour)
        self._kept = round(self.empty_rate * len(self._empty))
        if not len(self._full) + self._kept:
            raise DataError(
                f"No slice in the split {split!r} has tumour, and empty_rate is "
                f"{self.empty_rate:g}; raise it, or use other cases."
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the logits."""
        return self.store.class_names

    @property
    def contents_key(self) -> str:
        """Differs where the pixels of the slices do, wherever their files lie."""
        return self.store.contents_key(self.samples.ids)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last of which may be smaller."""
        return -(-(len(self._full) + self._kept) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Positions in `samples` that an epoch sees, in its order, int64."""
        ids = self.samples.ids
        drawn = order(self.order_seed, f"empty {epoch}", ids[self._empty])
        chosen = np.sort(np.concatenate([self._full, self._empty[drawn[: self._kept]]]))
        if not self.shuffle:
            return chosen
        return chosen[order(self.order_seed, epoch, ids[chosen])]

    def slices(self, positions: np.ndarray) -> np.ndarray:
        """Slices as they are, without augmentation.

        Args:
            positions: Rows of `samples`.

        Returns:
            float32 `(n, height, width, channels)`.
        """
        return np.asarray(self.store.images[self._rows[positions]], np.float32)

    def view(self, epoch: int) -> int:
        """Which version of the slices an epoch shows."""
        return self._plan.view(epoch)

    def dataset(self, epochs: int = 1, start_step: int = 0) -> tf.data.Dataset:
        """The batches from one step of training on to the end of another epoch.

        Args:
            epochs: Number of epochs from the very beginning, not from `start_step`.
            start_step: The step to start at, counted from the very beginning.

        Returns:
            A finite dataset of `epochs * steps_per_epoch - start_step` batches.
        """
        count = check_range(start_step, epochs, self.steps_per_epoch)
        first, done = divmod(start_step, self.steps_per_epoch)
        rows = Rows(self._plan, self.order, self.view, self.batch_size)
        pixels = self._pixels(lambda pair, drawn: pair)
        return in_batches(rows, range(first, epochs), done, pixels, count)

    def at_view(self, view: int) -> tf.data.Dataset:
        """All slices in table order as they look at one view: for a teacher cache.

        Those without tumour are all there, whatever `empty_rate` is, for each epoch
        draws others of them.

        Args:
            view: The view.

        Returns:
            A finite dataset of batches `(image, index)`, the position of each slice in
            `samples` (int64).
        """
        everything = np.arange(len(self.samples))
        rows = Rows(self._plan, lambda _: everything, lambda _: view, self.batch_size)
        pixels = self._pixels(lambda pair, drawn: (pair[0], drawn[INDEX]))
        count = -(-len(everything) // self.batch_size)
        return in_batches(rows, range(1), 0, pixels, count)

    def _pixels(self, finish: Callable) -> Callable:
        """A function from rows of the plan to slices and masks, which `finish` gets."""
        images, masks = self._tensors
        places, policy = tf.constant(self._rows), self.augment

        def pixels(drawn):
            place = tf.gather(places, drawn[INDEX])
            picture, mask = tf.gather(images, place), tf.gather(masks, place)
            return finish(apply_to_slices(policy, drawn, picture, mask), drawn)

        return pixels

    @cached_property
    def _tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The whole store, sharing its mapped memory."""
        return tuple(
            tf.experimental.dlpack.from_dlpack(array.__dlpack__())
            for array in (self.store.images, self.store.masks)
        )
