"""A teacher's logits, and features, for each sample and view, on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerakd.distillation import checks
from kerakd.distillation.cache import asking, features, shards, verifying
from kerakd.distillation.cache.batches import CachedBatches
from kerakd.distillation.cache.codecs import codec
from kerakd.distillation.cache.folder import INFO, read_info
from kerakd.distillation.cache.key import FORMAT, batches_key, check_key, make_key
from kerakd.distillation.cache.store import LOGITS, BlockStore, Layout
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.files import make_folder, write_json


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
        *,
        layers: Sequence[Any] = (),
        feature_limit: int = features.LIMIT,
        teacher_dtype: str | None = None,
        shard: tuple[int, int] | None = None,
    ) -> "TeacherCache":
        """Ask the teachers about every sample in every view, unless it is done.

        A folder that holds a half-built cache of the same key is completed; a finished
        one is returned.

        Args:
            teacher: A `keras.Model` that gives logits, or several.
            batches: The `kerakd.data.ImageBatches` of the training set with `views`
                set, at the size that the teacher takes.
            path: The folder; made where it does not exist.
            mode: `"exact"` (float32) or `"compact"` (float16, one logit less).
            progress: Whether to show a progress bar; where there is a terminal if
                `None`.
            layers: Layers of the teacher whose features are kept for losses that read
                them; of several teachers, pairs `(number, name)`.
            feature_limit: Bytes that one layer's features may take on disk.
            teacher_dtype: As in `kerakd.Distiller`.
            shard: `(2, 4)` for the second of four parts, which `TeacherCache.merge`
                joins; all samples if `None`.

        Raises:
            RecipeError: `batches` has no views, the mode is unknown, or a layer is too
                large.
            ModelError: A teacher gives no logits, or several outputs, or has no such
                layer.
            DataError: The folder holds a cache of something else, or a damaged one.
            KerakdError: The disk is too small.
        """
        teachers = checks.as_list(teacher, "teacher")
        if batches.views is None:
            raise RecipeError(
                "A cache needs a number of views: make the batches with views=4, say. "
                "Without, every epoch draws new pictures that no teacher has seen."
            )
        shapes = {asking.output_shape(model) for model in teachers}
        if len(shapes) > 1:
            raise ModelError(
                f"The teachers give outputs of different shapes: {sorted(shapes)}."
            )
        layers = features.normalized(layers, len(teachers))
        tapped = asking.prepare(teachers, layers, teacher_dtype)
        samples = len(batches.samples)
        info = {
            "key": make_key(teachers, batches, layers, teacher_dtype),
            "mode": mode,
            "views": batches.views,
            "samples": samples,
            "block": batches.batch_size,
            "output_shape": [len(teachers), *shapes.pop()],
        }
        if layers:
            pictures, dtype = samples * batches.views, codec(mode).dtype
            info["feature_shapes"] = features.shapes(
                tapped, layers, pictures, dtype, feature_limit
            )
        first = 0
        if shard is not None:
            rows = shards.span(shard, samples, batches.batch_size)
            told = {"number": shard[0], "of": shard[1], "first": rows.start}
            info |= {"shard": {**told, "samples": samples}, "samples": len(rows)}
            batches, first = shards.part_of(batches, rows)
        path = Path(path)
        if (path / INFO).is_file():
            cache = cls._reopen(path, info)
        else:
            cache = cls._create(path, info)
        cache._fill(asking.asker(tapped, layers), batches, progress, first)
        return cache

    @staticmethod
    def merge(
        paths: Sequence[str | os.PathLike], out: str | os.PathLike
    ) -> "TeacherCache":
        """Join shards that `build` made; see `kerakd.distillation.cache.shards`."""
        return TeacherCache.open(shards.merge(paths, out))

    @staticmethod
    def create_store(path: Path, info: dict) -> BlockStore:
        """The empty files of a cache."""
        return BlockStore.create(
            path, info["views"], info["samples"], _layout(info), info["block"]
        )

    @classmethod
    def _create(cls, path: Path, info: dict) -> "TeacherCache":
        make_folder(path)
        store = cls.create_store(path, info)
        # Last, so that a folder with this file has the others too.
        write_json(path / INFO, info)
        return cls(path, info, store)

    @classmethod
    def _reopen(cls, path: Path, info: dict) -> "TeacherCache":
        cache = cls.open(path, complete=False)
        check_key(cache.info["key"], info["key"], path)
        for name in ("mode", "views", "shard", "samples", "block", "output_shape"):
            if cache.info.get(name) != info.get(name):
                raise DataError(
                    f"The teacher cache {path} was begun with {name} "
                    f"{cache.info.get(name)}, not {info.get(name)}; build it in "
                    "another folder, or delete this one."
                )
        return cache

    def _fill(
        self, ask: Any, batches: Any, progress: bool | None, first: int = 0
    ) -> None:
        from rich.progress import Progress

        todo = [(v, set(self._store.missing(v).tolist())) for v in range(self.views)]
        total = sum(len(numbers) for _, numbers in todo)
        with Progress(transient=True, disable=progress is False or not total) as bar:
            task = bar.add_task("Asking the teacher", total=total)
            for view, wanted in todo:
                if not wanted:
                    continue
                for number, (x, _) in enumerate(batches.at_view(view), -first):
                    if number not in wanted:
                        continue
                    answer = ask(x)
                    asking.require_finite(answer, number, view)
                    self._store.write(view, number, self._encoded(answer))
                    bar.advance(task)

    def _encoded(self, answer: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: self._codec.encode(part)
            if name == LOGITS
            else self._codec.encode_features(part)
            for name, part in answer.items()
        }

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
        info = read_info(path)
        check_key(info["key"], {"format": FORMAT}, path)
        try:
            store = BlockStore.open(
                path, info["views"], info["samples"], _layout(info), info["block"]
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"The teacher cache {path} is damaged: {INFO} lacks {error}; delete "
                "the folder and build it anew."
            ) from None
        store.check()
        if complete:
            store.require_complete()
        return cls(path, info, store)

    @property
    def store(self) -> BlockStore:
        """Its numbers as they lie on disk."""
        return self._store

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
        return self._store.nbytes

    @property
    def layers(self) -> list[tuple[int, str]]:
        """The layers whose features are kept, each with the number of its teacher."""
        return [tuple(layer) for layer in self.info["key"].get("layers", [])]

    @property
    def feature_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each layer's features of one sample."""
        return [tuple(shape) for shape in self.info.get("feature_shapes", [])]

    def read(self, view: int, rows: np.ndarray) -> np.ndarray:
        """Logits of some samples in one view.

        Args:
            view: The view.
            rows: Positions of the samples in the table.

        Returns:
            float32 `(len(rows), teachers, ..., classes)`.
        """
        stored = self._store.arrays[LOGITS][view, rows]
        return self._codec.decode(stored, self.output_shape[-1])

    def read_features(
        self, view: int, rows: np.ndarray
    ) -> dict[tuple[int, str], np.ndarray]:
        """Features of some samples in one view, by layer; as in `read`."""
        arrays = self._store.arrays
        return {
            layer: np.asarray(
                arrays[asking.features_name(place)][view, rows], np.float32
            )
            for place, layer in enumerate(self.layers)
        }

    def describe(self) -> dict[str, Any]:
        """What the cache is, as plain values; reads all of its numbers.

        Returns:
            `path`, `mode`, `complete`, `blocks`, `views`, `samples`, `shard` (of a part
            alone), `output_shape`, `layers`, `bytes`, `bytes_a_picture`,
            `largest_coding_error` (a bound on what `compact` changes of a logit's
            difference to the last one), `key`.
        """
        there, blocks = self._store.progress
        logits = self._store.arrays[LOGITS]
        errors = [
            self._codec.largest_error(logits[view, self._store.rows(number)])
            for view in range(self.views)
            for number in range(blocks // self.views)
        ]
        pictures = self.views * self.info["samples"]
        return {
            "path": str(self.path),
            "mode": self.info["mode"],
            "complete": there == blocks,
            "blocks": [there, blocks],
            "views": self.views,
            "samples": self.info["samples"],
            **({"shard": self.info["shard"]} if "shard" in self.info else {}),
            "output_shape": list(self.output_shape),
            "layers": [list(layer) for layer in self.layers],
            "bytes": self.nbytes,
            "bytes_a_picture": round(self.nbytes / pictures, 1),
            "largest_coding_error": max(errors),
            "key": self.info["key"],
        }

    def batches(self, batches: Any) -> CachedBatches:
        """The student's batches with the teachers' logits beside the images.

        Args:
            batches: `kerakd.data.ImageBatches` of the same samples, augmentation, seed
                and views, at the student's size; the batch size is free.

        Raises:
            DataError: They are not those that the cache was built for.
        """
        shards.require_whole(self.info, self.path)
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
            count: How many batches of `batches` to ask about.
            seed: Of the random subset.

        Returns:
            `{"batches", "samples", "max_abs_difference"}`; differences are between
            logits less their last one, which is all that distillation sees. With
            layers also `"features"`, the largest difference of each.

        Raises:
            DataError: The teachers or batches are others than the cache's.
        """
        return verifying.compare(self, teacher, batches, count, seed)


def _layout(info: dict) -> Layout:
    """The arrays of a cache."""
    coded = codec(info["mode"])
    layout = {LOGITS: (coded.stored_shape(tuple(info["output_shape"])), coded.dtype)}
    for place, shape in enumerate(info.get("feature_shapes", [])):
        layout[asking.features_name(place)] = (tuple(shape), coded.dtype)
    return layout
