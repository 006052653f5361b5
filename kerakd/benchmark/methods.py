"""The same small student by every method: `kerakd benchmark methods`."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd import losses, models
from kerakd.benchmark import timing
from kerakd.benchmark.contenders import EMBEDDING, MAPS, contenders, names
from kerakd.data import ImageBatches, Samples, audit, load_images, resolve, split
from kerakd.distillation.cache.teacher_cache import TeacherCache
from kerakd.distillation.distiller import Distiller
from kerakd.errors import RecipeError, nearest
from kerakd.files import read_json, write_json
from kerakd.training import train_teacher

_SOURCE = "brain-tumor-mri"
_AUGMENTATION = {"preset": "flip_affine", "vertical_flip": True}
_BATCH = 32
_ALPHA = 0.5


def benchmark_methods(
    work: str | os.PathLike,
    data: str | os.PathLike | None = None,
    *,
    image_size: int = 64,
    per_class: int = 150,
    epochs: int = 30,
    seeds: Sequence[int] = (0, 1, 2),
    views: int = 4,
    methods: Sequence[str] | None = None,
    trade: Sequence[int | None] = (),
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Distil one small student by each method, on the same pictures, for as long.

    Teacher and student are `plain_cnn`, the teacher four times as wide. The teacher
    learns from all training images, for half as many epochs, so that it knows more than
    the few labels that the students have. It is asked once for each view and read from
    a cache, so that all methods are shown the same pictures. Weights of feature losses
    are those of their papers, none is tuned. Judged on validation images that have no
    copy among the training images; the test set is not touched.

    Args:
        work: A folder for teachers, caches and `figures.json`; what an earlier call of
            the same arguments has left there is not done again.
        data: As in `kerakd.data.resolve`, for the Kaggle brain-tumour MRI set.
        image_size: Height and width in pixels.
        per_class: Images of each class that the students learn from; as many judge.
        epochs: Of each student.
        seeds: Of initial weights and order.
        views: Views of each picture.
        methods: Which ones; all if `None`.
        trade: Numbers of views to compare by KL, `None` for a new view in each epoch
            with the teacher asked in every step.
        say: Is told what is being done.

    Returns:
        A JSON-able dict: `teacher`, `methods` and `views` (each by name: `accuracy`
        with `mean`, `standard_deviation` and `each`, `seconds_an_epoch`,
        `processor_milliseconds_a_step`), the arguments and the machine.

    Raises:
        RecipeError: A method is unknown.
        DataError: The images are not found.
    """
    wanted = names() if methods is None else list(methods)
    for name in wanted:
        if name not in names():
            raise RecipeError(f"Unknown method {name!r}. {nearest(name, names())}")
    say("Looking for copies")
    samples = load_images(resolve(_SOURCE, data))
    copies = audit(samples, probe=False, progress=False).clusters
    samples = split(samples, seed=0, clusters=copies)
    bench = _Bench(Path(work), samples, image_size, per_class, epochs, views, say)
    found: dict[str, Any] = {
        "image_size": image_size,
        "training_images": len(bench.train),
        "validation_images": len(bench.validation),
        "epochs": epochs,
        "seeds": list(seeds),
        "views_of_a_picture": views,
        "augmentation": _AUGMENTATION,
    }
    page = Path(work) / "figures.json"
    before = _of_before(page, found)
    found |= {
        **timing.machine(),
        "teacher": bench.describe_teacher(),
        "student_parameters": models.parameters(bench.student()),
        "methods": before.get("methods", {}),
        "views": before.get("views", {}),
    }
    for name in wanted:
        if name not in found["methods"]:
            say(f"Method {name}")
            found["methods"][name] = bench.method(name, seeds)
            write_json(page, found)
    for number in trade:
        label = "online" if number is None else str(number)
        if label not in found["views"]:
            say(f"Views: {label}")
            found["views"][label] = bench.views(number, seeds)
            write_json(page, found)
    return found


def _of_before(page: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """The figures of an earlier call, if its arguments were these."""
    if not page.is_file():
        return {}
    before = read_json(page)
    same = all(before.get(name) == value for name, value in arguments.items())
    return before if same else {}


class _Bench:
    """Pictures, teachers and caches that all methods share."""

    def __init__(
        self,
        work: Path,
        samples: Samples,
        size: int,
        per_class: int,
        epochs: int,
        views: int,
        say: Callable[[str], None],
    ):
        self._work, self._size, self._epochs, self._views = work, size, epochs, views
        self._classes = len(samples.class_names)
        self._all = samples.subset("train")
        self.train = _some(self._all, per_class)
        self.validation = _some(samples.subset("validation"), per_class)
        x, y = next(iter(self._plain(self.validation).dataset()))
        self._judged = x, np.array(y)
        say("Teacher")
        self.teachers = [self._teacher(seed) for seed in (100, 101)]
        self._born: keras.Model | None = None

    def _plain(self, samples: Samples) -> ImageBatches:
        return ImageBatches(samples, self._size, channels=1, batch_size=len(samples))

    def batches(self, seed: int, views: int | None) -> ImageBatches:
        """The training pictures; the same views for every seed."""
        return self._batches_of(self.train, seed, views)

    def _batches_of(
        self, samples: Samples, seed: int, views: int | None
    ) -> ImageBatches:
        return ImageBatches(
            samples,
            self._size,
            channels=1,
            batch_size=_BATCH,
            shuffle=True,
            seed=0,
            order_seed=seed,
            views=views,
            augment=_AUGMENTATION,
        )

    def student(self) -> keras.Model:
        return self._network(0.25, 0.0)

    def _network(self, width: float, dropout: float) -> keras.Model:
        shape = (self._size, self._size, 1)
        return models.build(
            "plain_cnn", self._classes, shape, width=width, dropout=dropout
        )

    def _teacher(self, seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        model = self._network(1.0, 0.3)
        train_teacher(
            model,
            self._batches_of(self._all, seed, None),
            options={"schedule": "cosine"},
            epochs=max(1, self._epochs // 2),
            out=self._work / f"teacher_{seed}",
            resume=True,
            verbose=0,
        )
        return model

    def describe_teacher(self) -> dict[str, Any]:
        return {
            "parameters": models.parameters(self.teachers[0]),
            "accuracy": [self._accuracy(model) for model in self.teachers],
        }

    def _accuracy(self, model: keras.Model, forward: Any = None) -> float:
        x, y = self._judged
        logits = np.array((forward or model)(x, training=False))
        return float((logits.argmax(-1) == y).mean())

    def _cache(self, name: str, teachers: list, views: int, layers=()) -> TeacherCache:
        return TeacherCache.build(
            teachers,
            self.batches(0, views),
            self._work / f"cache_{name}_{views}",
            progress=False,
            layers=layers,
        )

    # What is compared ------------------------------------------------------------

    def method(self, name: str, seeds: Sequence[int]) -> dict[str, Any]:
        """Students of one method, one for each seed."""
        contender = contenders()[name]
        teachers: Any = self.teachers[: contender.teachers]
        cache = None
        if contender.online is not None:
            teachers = contender.online
        elif contender.teachers == 0:
            teachers = self.teachers[:1]
        elif name == "born_again":
            teachers = [self._first_born(seeds)]
            cache = self._cache(f"born_{seeds[0]}", teachers, self._views)
        elif contender.teachers == 2:
            cache = self._cache("two", teachers, self._views)
        else:
            cache = self._cache("one", teachers, self._views, [MAPS, EMBEDDING])
        alpha = 1.0 if contender.teachers == 0 else _ALPHA
        students = self._train(
            lambda: Distiller(
                teachers,
                self.student(),
                contender.losses(),
                contender.weights,
                student_loss_weight=alpha,
            ),
            lambda seed: self._read(cache, self.batches(seed, self._views)),
            seeds,
        )
        if name == "alone":
            self._born = students.pop("first")
        students.pop("first", None)
        return students

    def views(self, number: int | None, seeds: Sequence[int]) -> dict[str, Any]:
        """Students by KL from so many views."""
        cache = None
        if number is not None:
            cache = self._cache("views", self.teachers[:1], number)
        found = self._train(
            lambda: Distiller(
                self.teachers[0],
                self.student(),
                losses.KLDivergence(4.0),
                student_loss_weight=_ALPHA,
            ),
            lambda seed: self._read(cache, self.batches(seed, number)),
            seeds,
        )
        found.pop("first")
        return found

    def _first_born(self, seeds: Sequence[int]) -> keras.Model:
        """A student that learned from labels alone teaches the next of its kind."""
        if self._born is None:
            self.method("alone", seeds[:1])
        return self._born

    @staticmethod
    def _read(cache: TeacherCache | None, batches: ImageBatches) -> Any:
        return batches if cache is None else cache.batches(batches)

    def _train(
        self,
        distiller: Callable[[], Distiller],
        source: Callable[[int], Any],
        seeds: Sequence[int],
    ) -> dict[str, Any]:
        """Train once for each seed with one compiled step, since tracing is slow."""
        model = distiller()
        steps = source(0).steps_per_epoch
        rate = keras.optimizers.schedules.CosineDecay(2e-3, self._epochs * steps)
        model.compile(
            keras.optimizers.Adam(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
        state = [*model.variables, *model.optimizer.variables]
        fresh = [np.array(variable) for variable in state]
        # Traced before the clock runs.
        model.fit(
            source(0).dataset(), epochs=1, steps_per_epoch=1, shuffle=False, verbose=0
        )
        forward = tf.function(model.student, autograph=False)
        found: dict[str, Any] = {"each": [], "seconds": [], "processor": []}
        for seed in seeds:
            for variable, value in zip(state, fresh, strict=True):
                variable.assign(value)
            keras.utils.set_random_seed(seed)
            start = self.student().get_weights()
            model.student.set_weights(start)
            if model.mean_teacher is not None:
                model.average.set_weights(start)
            clock, processor = time.perf_counter(), time.process_time()
            model.fit(
                source(seed).dataset(epochs=self._epochs),
                epochs=self._epochs,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
            )
            found["seconds"].append(time.perf_counter() - clock)
            found["processor"].append(time.process_time() - processor)
            found["each"].append(self._accuracy(model.student, forward))
            if "first" not in found:
                found["first"] = self.student()
                found["first"].set_weights(model.student.get_weights())
        return _summary(found, self._epochs, steps)


def _summary(found: dict[str, Any], epochs: int, steps: int) -> dict[str, Any]:
    each = found["each"]
    deviation = float(np.std(each, ddof=1)) if len(each) > 1 else 0.0
    return {
        "accuracy": {
            "mean": round(float(np.mean(each)), 5),
            "standard_deviation": round(deviation, 5),
            "each": [round(one, 5) for one in each],
        },
        "seconds": round(float(np.median(found["seconds"])), 2),
        "seconds_an_epoch": round(float(np.median(found["seconds"])) / epochs, 3),
        "processor_milliseconds_a_step": round(
            1e3 * float(np.median(found["processor"])) / (epochs * steps), 2
        ),
        "first": found["first"],
    }


def _some(samples: Samples, per_class: int) -> Samples:
    """The same so many images of each class at every call."""
    random = np.random.default_rng(0)
    kept = [
        random.permutation(np.flatnonzero(samples.labels == label))[:per_class]
        for label in range(len(samples.class_names))
    ]
    return samples.take(np.sort(np.concatenate(kept)))


def draw_views(found: dict[str, Any], path: str | os.PathLike) -> None:
    """The accuracy against the number of views, as a picture.

    Args:
        found: What `benchmark_methods` gave, with `trade`.
        path: The file, `.png`.
    """
    from kerakd.report import style

    rows = found["views"]
    labels = list(rows)
    means = 100 * np.array([rows[one]["accuracy"]["mean"] for one in labels])
    spread = 100 * np.array(
        [rows[one]["accuracy"]["standard_deviation"] for one in labels]
    )
    figure = style.picture(6.0, 3.6)
    axes = figure.add_subplot()
    places = np.arange(len(labels))
    axes.errorbar(
        places, means, spread, fmt="o", capsize=4, color=style.colour("student")
    )
    axes.set_xticks(places, labels)
    axes.set_xlabel("views of each picture that the teacher is asked about")
    axes.set_ylabel("validation accuracy, %")
    style.dress(axes)
    style.head(axes, f"Mean and standard deviation of {len(found['seeds'])} seeds")
    style.save(figure, path)
