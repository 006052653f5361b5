"""What distillation costs a training step: `kerakd benchmark step`."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd import hardware, models
from kerakd.benchmark import timing
from kerakd.distillation.cache import asking
from kerakd.distillation.cache.key import FORMAT
from kerakd.distillation.cache.teacher_cache import TeacherCache
from kerakd.distillation.distiller import Distiller
from kerakd.distillation.fast_teacher import in_dtype
from kerakd.distillation.logits import KLDivergence
from kerakd.distillation.maps import AttentionTransfer
from kerakd.errors import RecipeError
from kerakd.training.fusing import fused_operations

_CLASSES = 4
_TEMPERATURE = 4.0
PARTS = ("logits", "features", "build")


def benchmark_step(
    image_size: int = 224,
    batch_size: int = 32,
    steps: int = 2,
    repeats: int = 9,
    teacher: str = "resnet101",
    student: str = "mobilenet_v3_small",
    parts: Sequence[str] = PARTS,
) -> dict[str, Any]:
    """Time a student's training step alone, with a cache, and with a teacher.

    Blocks of a few steps take turns on one batch held in memory; a ratio is that of two
    blocks of the same turn. The weights are random, which costs the same.

    Args:
        image_size: Height and width in pixels.
        batch_size: Images in a step.
        steps: Steps in a block.
        repeats: Blocks of each kind.
        teacher: A name of `kerakd.models.build`.
        student: A name of `kerakd.models.build`.
        parts: Which of `"logits"` (cached and online steps, beside
            `keras.distillation.Distiller`; `fused` as in `kerakd.train_student`,
            `folded` with `teacher_dtype="float32"`), `"features"` (with one feature
            loss) and `"build"` (the cache, beside `teacher.predict`) to time.

    Returns:
        A JSON-able dict: `steps` (milliseconds by kind), `ratios` (with the `bar` of
        each), `bfloat16_logit_difference` (largest, and over the logits' standard
        deviation), the arguments and the machine.

    Raises:
        RecipeError: A number is not positive, or a part is unknown.
    """
    for name, number in (("steps", steps), ("repeats", repeats)):
        if number < 1:
            raise RecipeError(f"{name} must be from 1 on, not {number}.")
    unknown = set(parts) - set(PARTS)
    if unknown or not parts:
        raise RecipeError(f"parts are some of {', '.join(PARTS)}; got {list(parts)}.")
    found: dict[str, Any] = {
        "image_size": image_size,
        "batch_size": batch_size,
        "steps_in_a_block": steps,
        "repeats": repeats,
        "teacher": teacher,
        "student": student,
        **timing.machine(),
        "steps": {},
        "ratios": {},
    }
    bench = Pair(image_size, batch_size, teacher, student)
    fast = hardware.computes("bfloat16")
    if "logits" in parts or "features" in parts:
        found["bfloat16_logit_difference"] = bench.difference()
        blocks = bench.steps("features" in parts, "logits" in parts, fast, steps)
        times = timing.interleave(blocks, repeats)
        for name, one in times.items():
            found["steps"][name] = timing.milliseconds(one, steps)
        found["ratios"] |= _ratios(times, fast)
    if "build" in parts:
        with tempfile.TemporaryDirectory() as folder:
            times = timing.interleave(bench.building(Path(folder)), repeats)
        for name, one in times.items():
            found["steps"][name] = timing.milliseconds(one, bench.pictures)
        found["ratios"]["cache build / teacher.predict"] = {
            **timing.ratio(times, "cache build", "teacher.predict"),
            "bar": 1.05,
        }
    return found


def _ratios(times: dict[str, np.ndarray], fast: bool) -> dict[str, Any]:
    bar = 0.75 if fast else 1.0
    pairs = {
        ("cached", "student alone"): 1.05,
        ("cached, fused", "student alone"): None,
        ("cached, fused", "student alone, fused"): None,
        ("online", "keras Distiller"): 1.0,
        ("online, folded", "keras Distiller"): None,
        ("online, bfloat16", "keras Distiller"): bar,
        ("online, feature", "keras Distiller, feature"): 1.0,
        ("online, feature, bfloat16", "keras Distiller, feature"): bar,
        ("keras Distiller", "student alone"): None,
    }
    return {
        f"{one} / {other}": {**timing.ratio(times, one, other), "bar": bar}
        for (one, other), bar in pairs.items()
        if one in times and other in times
    }


class Pair:
    """The pair of networks, one batch, and what is timed on them."""

    def __init__(self, size: int, batch_size: int, teacher: str, student: str):
        self._shape = (size, size, 3)
        self._names = {"teacher": teacher, "student": student}
        self.teacher = models.build(teacher, _CLASSES, self._shape)
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (batch_size, *self._shape))
        self.x = tf.constant(pixels, tf.float32)
        self.y = tf.constant(random.integers(0, _CLASSES, batch_size), tf.int32)
        self.pictures = 2 * batch_size

    def difference(self) -> dict[str, float]:
        """How far a bfloat16 teacher's logits are from its own."""
        fast = in_dtype(self.teacher, "bfloat16")
        logits = [
            np.array(tf.function(m, autograph=False)(self.x, training=False))
            for m in (self.teacher, fast)
        ]
        largest = float(np.abs(logits[0] - logits[1]).max())
        return {"largest": largest, "of_spread": largest / float(logits[0].std())}

    def steps(
        self, features: bool, logits: bool, fast: bool, count: int
    ) -> dict[str, Callable[[], None]]:
        """Blocks of training steps."""
        kl = [KLDivergence(_TEMPERATURE)]
        keras_kl = _keras_kl()
        attention = [*kl, AttentionTransfer(*self._layers())]
        keras_attention = keras.distillation.FeatureDistillation(
            AttentionTransfer(), *self._layers()
        )
        theirs = keras.distillation.Distiller
        blocks: dict[str, Callable[[], None]] = {}
        if logits:
            said = tf.zeros((len(self.y), 1, _CLASSES))
            cached = {"student": self.x, "teacher_outputs": said}
            blocks = {
                "student alone": self.block(self.new_student(), count),
                "cached": self.block(self._distiller(kl), count, cached),
                "student alone, fused": in_fused_mode(
                    self.block(self.new_student(), count)
                ),
                "cached, fused": in_fused_mode(
                    self.block(self._distiller(kl), count, cached)
                ),
                "online": self.block(self._distiller(kl), count),
                "online, folded": self.block(
                    self._distiller(kl, teacher_dtype="float32"), count
                ),
                "keras Distiller": self.block(
                    theirs(self.teacher, self.new_student(), keras_kl), count
                ),
            }
        if logits and fast:
            quick = self._distiller(kl, teacher_dtype="bfloat16")
            blocks["online, bfloat16"] = self.block(quick, count)
        if features:
            blocks["online, feature"] = self.block(self._distiller(attention), count)
            pair = theirs(self.teacher, self.new_student(), [keras_kl, keras_attention])
            blocks["keras Distiller, feature"] = self.block(pair, count)
        if features and fast:
            quick = self._distiller(attention, teacher_dtype="bfloat16")
            blocks["online, feature, bfloat16"] = self.block(quick, count)
        return blocks

    def building(self, folder: Path) -> dict[str, Callable[[], None]]:
        """Filling a cache, and predicting, of the same pictures."""
        batches = _OneView(self.x, self.pictures // len(self.x))
        tapped = asking.prepare([self.teacher], [], None)
        ask = asking.asker(tapped, [])
        number = iter(range(10**6))

        def build():
            info = {
                "key": {"format": FORMAT},
                "mode": "exact",
                "views": 1,
                "samples": self.pictures,
                "block": len(self.x),
                "output_shape": [1, _CLASSES],
            }
            cache = TeacherCache._create(folder / str(next(number)), info)
            cache._fill(ask, batches, progress=False)

        def predict():
            self.teacher.predict(batches.at_view(0).map(lambda x, _: x), verbose=0)

        return {"cache build": build, "teacher.predict": predict}

    def new_student(self) -> keras.Model:
        """A student with fresh weights."""
        return models.build(self._names["student"], _CLASSES, self._shape)

    def _distiller(self, losses: list, **options: Any) -> Distiller:
        return Distiller(self.teacher, self.new_student(), losses, **options)

    def _layers(self) -> tuple[str, str]:
        return _last_map(self.teacher), _last_map(self.new_student())

    def block(
        self,
        model: keras.Model,
        count: int,
        x: Any = None,
        optimizer: Any = None,
        **options: Any,
    ) -> Callable[[], None]:
        """`count` calls of the step of `fit`, as Keras compiles it.

        Args:
            model: The student, or a Distiller.
            count: How many.
            x: The input, where it is not the batch itself.
            optimizer: Adam if `None`.
            **options: Of `compile`.
        """
        model.compile(
            optimizer=optimizer or keras.optimizers.Adam(1e-3),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            **{"jit_compile": False, **options},
        )
        model.make_train_function()
        example = (self.x if x is None else x, self.y)
        iterator: Iterator = iter(tf.data.Dataset.from_tensors(example).repeat())

        def run():
            for _ in range(count):
                logs = model.train_function(iterator)
            # The step is over when its result can be read.
            float(logs["loss"])

        return run


def in_fused_mode(block: Callable[[], None]) -> Callable[[], None]:
    """A block whose steps are traced, and so compiled, as kerakd's own `fit` is."""

    def run():
        with fused_operations():
            block()

    return run


class _OneView:
    """One batch, several times: what `TeacherCache` asks of an ImageBatches."""

    def __init__(self, x: tf.Tensor, count: int):
        self._x, self._count = x, count

    def at_view(self, view: int) -> tf.data.Dataset:
        one = tf.data.Dataset.from_tensors((self._x, tf.range(len(self._x))))
        return one.repeat(self._count)


def _keras_kl() -> keras.distillation.LogitsDistillation:
    """Keras's distillation of logits with the softmax that its default lacks."""
    return keras.distillation.LogitsDistillation(
        _TEMPERATURE, loss=keras.losses.KLDivergence()
    )


def _last_map(model: keras.Model) -> str:
    """The last layer whose output has a height and a width."""
    for layer in reversed(model.layers):
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and shape[1] and shape[1] > 1:
            return layer.name
    raise RecipeError(f"The model {model.name!r} has no feature map.")
