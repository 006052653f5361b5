"""Distillation of how samples and classes relate, rather than of single values.

A relation is between samples, so a sample of weight 0 has to be taken out of the other
samples' relations too: functions here take `present`, a mask of the batch.
"""

import math
from typing import Any

import keras
from keras import ops

from kerakd.distillation import schedules
from kerakd.distillation.base import DistillationLoss, float_dtype
from kerakd.distillation.logits import two_classes


def _as_vectors(teacher: Any, student: Any) -> tuple[Any, Any]:
    """Both as float `(batch, features)`, the teacher without gradient."""
    vectors = []
    teacher, student = ops.convert_to_tensor(teacher), ops.convert_to_tensor(student)
    dtype = float_dtype(teacher, student)
    for x in (ops.stop_gradient(teacher), student):
        x = ops.cast(x, dtype)
        known = None not in x.shape[1:]
        # In numbers where they are known: with -1 a graph forgets how many classes.
        size = math.prod(x.shape[1:]) if known else -1
        vectors.append(ops.reshape(x, (ops.shape(x)[0], size)))
    return vectors[0], vectors[1]


def _everyone(x: Any, present: Any) -> Any:
    if present is None:
        return ops.ones((ops.shape(x)[0],), dtype=x.dtype)
    return ops.cast(present, x.dtype)


def _uncorrelated(a: Any, b: Any, axis: int, present: Any = None) -> Any:
    """1 less Pearson's correlation along an axis; 1 where one side is constant."""
    weight = 1.0 if present is None else present
    count = ops.shape(a)[axis] if present is None else ops.sum(present)
    count = ops.maximum(ops.cast(count, a.dtype), 1.0)
    centred = []
    for x in (a, b):
        mean = ops.sum(x * weight, axis=axis, keepdims=True) / count
        centred.append((x - mean) * weight)
    squares = [ops.sum(ops.square(x), axis=axis, keepdims=True) for x in centred]
    spread = ops.logical_and(squares[0] > 1e-16, squares[1] > 1e-16)
    # A root has an infinite gradient at 0.
    roots = [ops.sqrt(ops.where(spread, s, 1.0)) for s in squares]
    units = [x / root for x, root in zip(centred, roots, strict=True)]
    # Half the squared distance of the unit vectors: 1 - r, and exactly 0 at equality.
    half = 0.5 * ops.sum(ops.square(units[0] - units[1]), axis=axis)
    return ops.where(ops.squeeze(spread, axis), half, 1.0)


def _above_uniform(logits: Any, temperature: Any) -> Any:
    """`softmax(logits / T) - 1 / C`, with its digits where that is small."""
    classes = logits.shape[-1]
    x = (logits - ops.mean(logits, axis=-1, keepdims=True)) / temperature
    near = ops.max(ops.abs(x), axis=-1, keepdims=True) < 80.0
    above = ops.expm1(ops.clip(x, -80.0, 80.0))
    mean = ops.mean(above, axis=-1, keepdims=True)
    close = (above - mean) / (classes * (1.0 + mean))
    return ops.where(near, close, ops.softmax(x, axis=-1) - 1.0 / classes)


def dist_per_sample(
    teacher_logits: Any,
    student_logits: Any,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
    present: Any = None,
) -> Any:
    """`dist` before the mean over samples, shape `(batch,)`.

    The part between samples belongs to the batch; each sample has it whole.
    """
    teacher, student = _as_vectors(teacher_logits, student_logits)
    teacher, student = two_classes(teacher), two_classes(student)
    mask = ops.expand_dims(_everyone(student, present), -1)
    teacher = _above_uniform(teacher, temperature)
    student = _above_uniform(student, temperature)
    between_classes = _uncorrelated(teacher, student, axis=-1)
    between_samples = ops.mean(_uncorrelated(teacher, student, 0, mask))
    return temperature**2 * (beta * between_classes + gamma * between_samples)


def dist(
    teacher_logits: Any,
    student_logits: Any,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 1.0,
) -> Any:
    """`T^2 * (beta * (1 - r of classes) + gamma * (1 - r of samples))`.

    `r` is Pearson's correlation of teacher's and student's probabilities, along the
    classes of each sample and along the samples for each class: the student need not
    match values, only relations. "Knowledge Distillation from A Stronger Teacher",
    Huang et al., NeurIPS 2022 (arXiv:2205.10536). The reference adds 1e-8 to the
    product of the standard deviations, so that it is not 0 at equality; the two differ
    where a class's probabilities vary by less than about 0.001.

    Args:
        teacher_logits: Float tensor `(batch, classes)`. No gradient flows back.
        student_logits: Float tensor `(batch, classes)`.
        beta: Weight of the relation between classes.
        gamma: Weight of the relation between samples.
        temperature: Greater than 0.

    Returns:
        A scalar, the mean over samples.
    """
    return ops.mean(
        dist_per_sample(teacher_logits, student_logits, beta, gamma, temperature)
    )


def similarity_preserving_per_sample(
    teacher_features: Any, student_features: Any, present: Any = None
) -> Any:
    """`similarity_preserving` before the mean over samples, shape `(batch,)`."""
    teacher, student = _as_vectors(teacher_features, student_features)
    here = _everyone(student, present)
    difference = _similarities(teacher, here) - _similarities(student, here)
    return ops.sum(ops.square(difference), axis=-1) / ops.maximum(ops.sum(here), 1.0)


def _similarities(features: Any, here: Any) -> Any:
    # The rows are scaled to length 1 below, so a common scale may be taken out first;
    # inner products of large features would overflow.
    largest = ops.max(ops.abs(features) * ops.expand_dims(here, -1))
    features = features / ops.maximum(ops.stop_gradient(largest), 1e-30)
    gram = ops.matmul(features, ops.transpose(features))
    gram = gram * here * ops.expand_dims(here, -1)
    squares = ops.sum(ops.square(gram), axis=-1, keepdims=True)
    return gram / ops.sqrt(ops.maximum(squares, 1e-24))


def similarity_preserving(teacher_features: Any, student_features: Any) -> Any:
    """Mean squared difference of the batch's similarity matrices.

    The matrices hold inner products of samples, each row scaled to length 1.
    "Similarity-Preserving Knowledge Distillation", Tung and Mori, ICCV 2019
    (arXiv:1907.09682).

    Args:
        teacher_features: Float tensor `(batch, ...)`. No gradient flows back.
        student_features: Float tensor `(batch, ...)`, of any size.

    Returns:
        A scalar, the mean over pairs of samples.
    """
    return ops.mean(
        similarity_preserving_per_sample(teacher_features, student_features)
    )


def rkd_per_sample(
    teacher_embeddings: Any,
    student_embeddings: Any,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
    present: Any = None,
) -> Any:
    """`rkd` before the mean over samples, shape `(batch,)`."""
    teacher, student = _as_vectors(teacher_embeddings, student_embeddings)
    here = _everyone(student, present)
    count = ops.maximum(ops.sum(here), 1.0)
    total = ops.zeros_like(here)
    if distance_weight:
        pair = here * ops.expand_dims(here, -1)
        error = _huber(_distances(teacher, pair) - _distances(student, pair)) * pair
        total = total + distance_weight * ops.sum(error, axis=-1) / count
    if angle_weight:
        triple = here * ops.expand_dims(here, -1) * ops.reshape(here, (-1, 1, 1))
        error = _huber(_angles(teacher) - _angles(student)) * triple
        total = total + angle_weight * ops.sum(error, axis=(1, 2)) / count**2
    return total


def _differences(x: Any) -> Any:
    return ops.expand_dims(x, 0) - ops.expand_dims(x, 1)


def _lengths(x: Any) -> Any:
    """Euclidean lengths along the last axis, with gradient 0 where they are 0."""
    squares = ops.sum(ops.square(x), axis=-1)
    some = squares > 1e-12
    return ops.where(some, ops.sqrt(ops.where(some, squares, 1.0)), 0.0)


def _distances(x: Any, pair: Any) -> Any:
    """Distances of all pairs, over their mean."""
    distances = _lengths(_differences(x)) * pair
    positive = ops.cast(distances > 0, x.dtype)
    mean = ops.sum(distances) / ops.maximum(ops.sum(positive), 1.0)
    return distances / ops.where(mean > 0, mean, 1.0)


def _angles(x: Any) -> Any:
    """Cosines of the angle that two samples make as seen from a third."""
    difference = _differences(x)
    length = ops.expand_dims(_lengths(difference), -1)
    unit = difference / ops.where(length > 0, length, 1.0)
    return ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))


def _huber(x: Any) -> Any:
    size = ops.abs(x)
    return ops.where(size < 1.0, 0.5 * ops.square(x), size - 0.5)


def rkd(
    teacher_embeddings: Any,
    student_embeddings: Any,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
) -> Any:
    """Relational distillation: distances of pairs and angles of triples of samples.

    Huber losses of the two, each the mean over pairs or triples. "Relational Knowledge
    Distillation", Park et al., CVPR 2019 (arXiv:1904.05068). Memory grows with the
    batch cubed for the angles: 32 samples take 131 kB, 512 samples 537 MB.

    Args:
        teacher_embeddings: Float tensor `(batch, ...)`. No gradient flows back.
        student_embeddings: Float tensor `(batch, ...)`, of any size.
        distance_weight: Weight of the distances.
        angle_weight: Weight of the angles.

    Returns:
        A scalar.
    """
    return ops.mean(
        rkd_per_sample(
            teacher_embeddings, student_embeddings, distance_weight, angle_weight
        )
    )


class _Relation(DistillationLoss):
    """A loss between samples, from which samples of weight 0 are taken out whole."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras weighs the rows after `call`; whom a row is compared with is decided
        # there, so `call` has to know who is present.
        present = ops.ones((ops.shape(y_pred)[0],))
        if sample_weight is not None:
            weight = ops.reshape(ops.convert_to_tensor(sample_weight), (-1,))
            present = ops.cast(weight > 0, "float32")
        teacher = {"teacher": y_true, "present": present}
        return super().__call__(teacher, y_pred, sample_weight=sample_weight)


@keras.saving.register_keras_serializable("kerakd")
class DIST(_Relation):
    """Relations between classes and between samples; see `kerakd.losses.dist`.

    Args:
        beta: Weight of the relation between classes.
        gamma: Weight of the relation between samples.
        temperature: Greater than 0, or a `keras.optimizers.schedules` object.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "dist"

    def __init__(self, beta=1.0, gamma=1.0, temperature=1.0, **options):
        super().__init__(**options)
        self.beta = schedules.check(beta, "beta", 0.0, float("inf"))
        self.gamma = schedules.check(gamma, "gamma", 0.0, float("inf"))
        self.temperature = schedules.temperature(temperature)

    def call(self, teacher, student):
        return dist_per_sample(
            teacher["teacher"],
            student,
            self.beta,
            self.gamma,
            schedules.current(self.temperature),
            teacher["present"],
        )

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            beta=self.beta,
            gamma=self.gamma,
            temperature=schedules.serialize(self.temperature),
        )
        return config


@keras.saving.register_keras_serializable("kerakd")
class SimilarityPreserving(_Relation):
    """Who resembles whom; see `kerakd.losses.similarity_preserving`.

    Args:
        teacher_layer_name: Layer of the teacher, of any shape.
        student_layer_name: Layer of the student, of any shape.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "similarity_preserving"

    def __init__(self, teacher_layer_name=None, student_layer_name=None, **options):
        super().__init__(teacher_layer_name, student_layer_name, **options)

    def call(self, teacher, student):
        return similarity_preserving_per_sample(
            teacher["teacher"], student, teacher["present"]
        )


@keras.saving.register_keras_serializable("kerakd")
class RKD(_Relation):
    """Distances and angles between samples; see `kerakd.losses.rkd`.

    Args:
        teacher_layer_name: Layer of the teacher, of any shape.
        student_layer_name: Layer of the student, of any shape.
        distance_weight: Weight of the distances.
        angle_weight: Weight of the angles.
        **options: See `kerakd.losses.DistillationLoss`.
    """

    default_name = "rkd"

    def __init__(
        self,
        teacher_layer_name=None,
        student_layer_name=None,
        distance_weight=25.0,
        angle_weight=50.0,
        **options,
    ):
        super().__init__(teacher_layer_name, student_layer_name, **options)
        infinity = float("inf")
        self.distance_weight = schedules.check(
            distance_weight, "distance_weight", 0.0, infinity
        )
        self.angle_weight = schedules.check(angle_weight, "angle_weight", 0.0, infinity)

    def call(self, teacher, student):
        return rkd_per_sample(
            teacher["teacher"],
            student,
            self.distance_weight,
            self.angle_weight,
            teacher["present"],
        )

    def get_config(self) -> dict:
        config = super().get_config()
        config.update(
            distance_weight=self.distance_weight, angle_weight=self.angle_weight
        )
        return config
