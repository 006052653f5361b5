"""Labels: their form, the loss that fits it, their smoothing and class weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerakd.data.stream import Stream
from kerakd.distillation.routing import is_routed, route
from kerakd.errors import DataError, ModelError, RecipeError, nearest
from kerakd.training.feeding import Feed


@dataclass(frozen=True)
class LabelForm:
    """How labels stand to a model's logits.

    Args:
        outputs: Logits for each sample (or pixel); 1 is that of a sigmoid.
        one_hot: Whether labels come as rows of `outputs` numbers, not as indices.
        rank: Number of axes of the logits, the batch included.
    """

    outputs: int
    one_hot: bool
    rank: int


def label_form(model: keras.Model, feed: Feed, route_to: str) -> LabelForm:
    """Find out how the labels of `feed` stand to the logits of `model`.

    Args:
        model: The network that is trained; built here where it is not yet.
        feed: Training or validation data.
        route_to: The model's part of images that come as a dictionary.

    Raises:
        ModelError: The model has several outputs.
        DataError: The labels have another shape, or the images another size.
    """
    x, y = feed.elements()[:2]
    _check_input(model, route(x, route_to))
    shape = _output_shape(model, feed, route_to)
    classes, found = shape[-1], tuple(y.shape)
    if len(found) == len(shape) - 1 or (len(found) == len(shape) and found[-1] == 1):
        return LabelForm(classes, one_hot=False, rank=len(shape))
    if len(found) == len(shape) and found[-1] == classes:
        return LabelForm(classes, one_hot=True, rank=len(shape))
    if len(found) == len(shape):
        raise DataError(
            f"The labels have {found[-1]} classes and the model {model.name!r} gives "
            f"{classes} logits; build it with num_classes={found[-1]}."
        )
    raise DataError(
        f"Labels of shape {found} do not fit logits of shape {tuple(shape)}; give one "
        "class index for each, or one row of probabilities."
    )


def _check_input(model: keras.Model, x: Any) -> None:
    try:
        wanted = model.input_shape
    except (AttributeError, ValueError):
        return
    found = getattr(x, "shape", None)
    if not isinstance(wanted, tuple) or found is None:
        return
    if getattr(found, "rank", 0) is None:
        return
    sides = list(zip(wanted[1:], found[1:], strict=False))
    if len(wanted) != len(found) or any(
        None not in pair and pair[0] != pair[1] for pair in sides
    ):
        raise DataError(
            f"The model {model.name!r} takes inputs of shape {wanted[1:]} and the data "
            f"have {tuple(found)[1:]}; build the model or the batches with the other's "
            "size and channels."
        )


def _output_shape(model: keras.Model, feed: Feed, route_to: str) -> tuple:
    try:
        shapes = model.output_shape
    except (AttributeError, ValueError):
        # A subclassed model, or one that is not built: a sample tells, and builds it.
        x = route(feed.first_batch()[0], route_to)
        one = keras.tree.map_structure(lambda t: t[:1], x)
        shapes = keras.tree.map_structure(
            lambda t: tuple(t.shape), model(one, training=False)
        )
    if isinstance(shapes, list) and len(shapes) == 1:
        shapes = shapes[0]
    if not isinstance(shapes, tuple) or not shapes or not isinstance(shapes[-1], int):
        raise ModelError(
            f"The model {model.name!r} has several outputs ({shapes}); say what it "
            "learns: loss={'output name': keras.losses....}."
        )
    return shapes


def check_range(feed: Feed, form: LabelForm, model_name: str) -> None:
    """Refuse labels that the model has no output for.

    All labels are looked at where the data hold them at hand, else those of the first
    batch.

    Raises:
        DataError: A label is out of range, or the classes are not as many.
    """
    classes = max(form.outputs, 2)
    if feed.class_names is not None and len(feed.class_names) != classes:
        names = ", ".join(feed.class_names)
        raise DataError(
            f"The data have {len(feed.class_names)} classes ({names}) and the model "
            f"{model_name!r} gives {form.outputs} logits; build it with "
            f"num_classes={len(feed.class_names)}."
        )
    if form.one_hot:
        return
    labels = feed.labels
    labels = np.asarray(feed.first_batch()[1] if labels is None else labels)
    if form.outputs > 1 and (labels != np.floor(labels)).any():
        odd = labels[labels != np.floor(labels)].flat[0]
        raise DataError(
            f"Labels are indices of classes, whole numbers from 0, and {odd:g} is "
            "none; give such indices, or one row of probabilities for each sample."
        )
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise DataError(
            f"Labels run from {low:g} to {high:g}, but the model {model_name!r} knows "
            f"the classes 0 to {classes - 1}; build it with "
            f"num_classes={int(high) + 1}, or number the labels from 0."
        )


def default_loss(
    form: LabelForm, one_hot: bool, label_smoothing: float
) -> keras.losses.Loss:
    """The crossentropy on logits that fits the labels.

    It is always one of Keras's own, so that a saved model can be loaded without
    kerakd: there is none for smoothed class indices, so `prepare` makes them one-hot.
    """
    if form.outputs == 1:
        return keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=label_smoothing
        )
    if one_hot:
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing
        )
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def default_metrics(form: LabelForm) -> list:
    """Accuracy, which for a single logit is cut at 0."""
    if form.outputs == 1:
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
    return ["accuracy"]


def class_weights(
    given: Mapping | str | None, feed: Feed, form: LabelForm | None
) -> np.ndarray | None:
    """Weights of the classes in the order of the logits, float32 of shape (classes,).

    Args:
        given: Weights of classes, by name or by index, those not named weigh 1;
            `"balanced"` for `samples / (classes * samples of the class)`; or `None`.
        feed: The training data.
        form: Form of the labels.

    Raises:
        RecipeError: A class is unknown or has a negative weight.
    """
    if given is None:
        return None
    if form is None:
        raise RecipeError(
            "`class_weight` needs labels that are classes; with a loss for several "
            "outputs give sample weights: (images, labels, sample weights)."
        )
    classes = max(form.outputs, 2)
    if given == "balanced":
        return _balanced(feed, form, classes)
    if not isinstance(given, Mapping):
        raise RecipeError(
            "`class_weight` is a dictionary {class: weight} or 'balanced'; got "
            f"{given!r}."
        )
    names = feed.class_names or ()
    weights = np.ones(classes, np.float32)
    for key, weight in given.items():
        index = names.index(key) if key in names else key
        if isinstance(index, bool) or index not in range(classes):
            known = [*names] or range(classes)
            raise RecipeError(
                f"`class_weight` names an unknown class {key!r}. "
                f"{nearest(str(key), known)}"
            )
        if isinstance(weight, bool | str) or not np.isfinite(weight) or weight < 0:
            raise RecipeError(
                f"`class_weight` of {key!r} must be a number of at least 0; got "
                f"{weight!r}."
            )
        weights[index] = weight
    return weights


def _balanced(feed: Feed, form: LabelForm, classes: int) -> np.ndarray:
    if feed.labels is None:
        raise RecipeError(
            "`class_weight: balanced` has to count the classes, which a "
            "tf.data.Dataset does not tell; give a dictionary {class: weight}."
        )
    labels = np.asarray(feed.labels)
    rows = form.one_hot and labels.ndim == form.rank
    labels = labels.argmax(-1) if rows else labels
    counts = np.bincount(labels.astype(np.int64).reshape(-1), minlength=classes)
    # A class without samples has no say; any finite weight will do.
    return (counts.sum() / (classes * np.maximum(counts, 1))).astype(np.float32)


def prepare(
    dataset: Any,
    *,
    route_to: str | None = None,
    form: LabelForm | None = None,
    one_hot: bool = False,
    weights: np.ndarray | None = None,
) -> Any:
    """Bring batches into the form that the loss takes; as they are where they fit.

    Args:
        dataset: Batches `(x, y)` or `(x, y, sample_weight)`, a `tf.data.Dataset` or a
            `kerakd.data.stream.Stream`.
        route_to: Which of the images `{"student": ..., "teacher": ...}` are wanted;
            `None` leaves both.
        form: Form of the labels.
        one_hot: Whether class indices become one-hot rows.
        weights: Class weights, which multiply the sample weights.
    """
    if isinstance(dataset, Stream):
        from kerakd.training import numpy_labels as engine

        routed = route_to is not None and is_routed(dataset[0][0])
    else:
        from kerakd.training import tensorflow_labels as engine

        routed = route_to is not None and is_routed(dataset.element_spec[0])
    one_hot = one_hot and form is not None and not form.one_hot and form.outputs > 1
    if not routed and not one_hot and weights is None:
        return dataset

    def change(x, y, *sample_weight):
        if routed:
            x = route(x, route_to)
        if weights is not None:
            sample_weight = (engine.weigh(y, form, weights, *sample_weight),)
        if one_hot:
            y = engine.one_hot(y, form)
        return (x, y, *sample_weight)

    return engine.mapped(dataset, change)
