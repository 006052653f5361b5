"""A teacher's logits for each sample and view, on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.distillation import checks
from kerakd.distillation.cache.batches import CachedBatches
from kerakd.distillation.cache.codecs import codec
from kerakd.distillation.cache.key import FORMAT, batches_key, check_key, make_key
from kerakd.distillation.cache.store import BlockStore
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.files import make_folder, read_json, write_json

_INFO = "cache.json"


class TeacherCache:
    """What one or several teachers say of each picture, in each of its views.

    The teachers run once; every later epoch, run and seed reads. That is sound because
    augmentation is a pure function of (seed, view, sample id): the student sees the
    pixels that the teacher saw. Epoch `e` shows view `e % views`.

    Build one with `TeacherCache.build`, open one with `TeacherCache.open`.

    Args:
        path: Its folder.
        info: The contents of its `cache.json`.
        store: Its numbers.

    Example:

    ```python
    import kerakd

    train = kerakd.data.batches(
        samples.subset("train"), 128, shuffle=True, augment="flip", views=4
    )
    cache = kerakd.TeacherCache.build(teacher, train, "runs/cache")
    kerakd.train_student(student, cache.batches(train), teacher=teacher, epochs=20)
    ```
    """

    def __init__(self, path: Path, info: dict, store: BlockStore):
        self.path = path
        self.info = info
        self._store = store
        self._codec = codec(info["mode"])

    # Making ----------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        teacher: keras.Model | Sequence[keras.Model],
        batches: Any,
        path: str | os.PathLike,
        mode: str = "exact",
        progress: bool | None = None,
    ) -> "TeacherCache":
        """Ask the teachers about every sample in every view, unless it is done.

        A folder that holds a half-built cache of the same key is completed; a finished
        one is returned.

        Args:
            teacher: A `keras.Model` that gives logits, or several.
            batches: The `kerakd.data.ImageBatches` of the training set with `views`
                set, at the size that the teacher takes.
            path: The folder; made where it does not exist.
            mode: `"exact"` (float32) or `"compact"` (float16, one number less).
            progress: Whether to show a progress bar; where there is a terminal if
                `None`.

        Raises:
            RecipeError: `batches` has no views, or the mode is unknown.
            ModelError: A teacher gives no logits, or several outputs.
            DataError: The folder holds a cache of something else, or a damaged one.
        """
        teachers = checks.as_list(teacher, "teacher")
        if batches.views is None:
            raise RecipeError(
                "A cache needs a number of views: make the batches with views=4, say. "
                "Without, every epoch draws new pictures that no teacher has seen."
            )
        shapes = {_output_shape(model) for model in teachers}
        if len(shapes) > 1:
            raise ModelError(
                f"The teachers give outputs of different shapes: {sorted(shapes)}."
            )
        info = {
            "key": make_key(teachers, batches),
            "mode": mode,
            "views": batches.views,
            "samples": len(batches.samples),
            "block": batches.batch_size,
            "output_shape": [len(teachers), *shapes.pop()],
        }
        path = Path(path)
        if (path / _INFO).is_file():
            cache = cls._reopen(path, info)
        else:
            cache = cls._create(path, info)
        cache._fill(teachers, batches, progress)
        return cache

    @classmethod
    def _create(cls, path: Path, info: dict) -> "TeacherCache":
        stored = codec(info["mode"]).stored_shape(tuple(info["output_shape"]))
        make_folder(path)
        store = BlockStore.create(
            path,
            (info["views"], info["samples"], *stored),
            codec(info["mode"]).dtype,
            info["block"],
        )
        # Last, so that a folder with this file has the others too.
        write_json(path / _INFO, info)
        return cls(path, info, store)

    @classmethod
    def _reopen(cls, path: Path, info: dict) -> "TeacherCache":
        cache = cls.open(path, complete=False)
        check_key(cache.info["key"], info["key"], path)
        for name in ("mode", "views", "samples", "block", "output_shape"):
            if cache.info[name] != info[name]:
                raise DataError(
                    f"The teacher cache {path} was begun with {name} "
                    f"{cache.info[name]}, not {info[name]}; build it in another "
                    "folder, or delete this one."
                )
        return cache

    def _fill(self, teachers: list, batches: Any, progress: bool | None) -> None:
        from rich.progress import Progress

        todo = [(v, self._store.missing(v)) for v in range(self.views)]
        total = sum(len(numbers) for _, numbers in todo)
        if not total:
            return
        forwards = [_forward(model) for model in teachers]
        hidden = progress is False
        with Progress(transient=True, disable=hidden) as bar:
            task = bar.add_task("Asking the teacher", total=total)
            for view, numbers in todo:
                wanted = set(numbers.tolist())
                if not wanted:
                    continue
                for number, (x, _) in enumerate(batches.at_view(view)):
                    if number not in wanted:
                        continue
                    x = x["teacher"] if isinstance(x, dict) else x
                    logits = np.stack(
                        [keras.ops.convert_to_numpy(f(x)) for f in forwards], axis=1
                    )
                    if not np.isfinite(logits).all():
                        raise ModelError(
                            f"The teacher gives NaN or infinity for a sample of batch "
                            f"{number}, view {view}; train it again at a lower "
                            "learning rate."
                        )
                    self._store.write(view, number, self._codec.encode(logits))
                    bar.advance(task)

    # Reading ---------------------------------------------------------------------

    @classmethod
    def open(cls, path: str | os.PathLike, complete: bool = True) -> "TeacherCache":
        """Open a cache and check all of its numbers against their checksums.

        Args:
            path: Its folder.
            complete: Whether a half-built one is refused.

        Raises:
            DataError: There is none, or it is damaged or of another format.
            KerakdError: It is half built.
        """
        path = Path(path)
        if not (path / _INFO).is_file():
            raise DataError(
                f"There is no teacher cache in {path} (no {_INFO}); build one with "
                "TeacherCache.build."
            )
        info = read_json(path / _INFO)
        if not isinstance(info, dict) or "key" not in info:
            raise DataError(
                f"The teacher cache {path} is damaged: {_INFO} is not a cache's; "
                "delete the folder and build it anew."
            )
        check_key(info["key"], {"format": FORMAT}, path)
        try:
            shape = (
                info["views"],
                info["samples"],
                *codec(info["mode"]).stored_shape(tuple(info["output_shape"])),
            )
            store = BlockStore.open(
                path, shape, codec(info["mode"]).dtype, info["block"]
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"The teacher cache {path} is damaged: {_INFO} lacks {error}; delete "
                "the folder and build it anew."
            ) from None
        store.check()
        if complete:
            store.require_complete()
        return cls(path, info, store)

    @property
    def views(self) -> int:
        """Number of views of each sample."""
        return self.info["views"]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """`(teachers, ..., classes)`, what is read for one sample."""
        return tuple(self.info["output_shape"])

    @property
    def key_hash(self) -> str:
        """One short text that differs where the key does."""
        text = json.dumps([self.info["key"], self.info["mode"]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def nbytes(self) -> int:
        """Size of the numbers on disk, in bytes."""
        return self._store.logits.nbytes

    def read(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Logits of some samples in one view.

        Args:
            view: The view.
            rows: Positions of the samples in the table.

        Returns:
            float32 `(len(rows), teachers, ..., classes)`.
        """
        stored = self._store.logits[view, rows]
        return self._codec.decode(stored, self.output_shape[-1])

    def batches(self, batches: Any) -> CachedBatches:
        """The student's batches with the teachers' logits beside the images.

        Args:
            batches: `kerakd.data.ImageBatches` of the same samples, augmentation, seed
                and views, at the student's size; the batch size is free.

        Raises:
            DataError: They are not those that the cache was built for.
        """
        self._store.require_complete()
        check_key(self.info["key"], batches_key(batches), self.path)
        if batches.views != self.views:
            raise DataError(
                f"The teacher cache {self.path} holds {self.views} views, and the "
                f"batches have {batches.views}; make them with views={self.views}."
            )
        return CachedBatches(self, batches)

    def verify(
        self, teacher: Any, batches: Any, count: int = 64, seed: int = 0
    ) -> dict[str, Any]:
        """Ask the teachers again about a random subset, and compare.

        Args:
            teacher: The teachers, as in `build`.
            batches: The batches, as in `build`.
            count: How many batches to ask about.
            seed: Of the random subset.

        Returns:
            `{"batches", "samples", "max_abs_difference"}`; differences are between
            logits less their last one, which is all that distillation sees.

        Raises:
            DataError: The teachers or batches are others than the cache's.
        """
        teachers = checks.as_list(teacher, "teacher")
        check_key(self.info["key"], make_key(teachers, batches), self.path)
        self._store.require_complete()
        forwards = [_forward(model) for model in teachers]
        blocks = -(-self.info["samples"] // self.info["block"])
        places = np.random.default_rng(seed).permutation(self.views * blocks)[:count]
        largest, samples = 0.0, 0
        for view in range(self.views):
            wanted = {p % blocks for p in places.tolist() if p // blocks == view}
            if not wanted:
                continue
            for number, (x, index) in enumerate(batches.at_view(view)):
                if number not in wanted:
                    continue
                x = x["teacher"] if isinstance(x, dict) else x
                fresh = np.stack(
                    [keras.ops.convert_to_numpy(f(x)) for f in forwards], axis=1
                )
                kept = self.read(view, index.numpy())
                if fresh.shape[-1] > 1:
                    fresh = fresh - fresh[..., -1:]
                    kept = kept - kept[..., -1:]
                largest = max(largest, float(np.abs(fresh - kept).max()))
                samples += len(kept)
        return {
            "batches": len(places),
            "samples": samples,
            "max_abs_difference": largest,
        }


def _output_shape(model: keras.Model) -> tuple[int, ...]:
    checks.is_model(model, "teacher")
    checks.gives_logits(model, "teacher")
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise ModelError(
            f"The teacher {model.name!r} must give one tensor of known shape to be "
            f"cached; it gives {shape}."
        )
    return shape[1:]


def _forward(model: keras.Model):
    """The teacher's forward pass, compiled once."""
    if keras.backend.backend() != "tensorflow":
        return lambda x: model(x, training=False)
    import tensorflow as tf

    return tf.function(lambda x: model(x, training=False), reduce_retracing=True)
