"""A network made ready to be asked: one flat graph, compiled once for any batch."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerakd.errors import DataError, ModelError
from kerakd.explain.layers import Features, find_features
from kerakd.models.graph import flatten, require_graph
from kerakd.models.logits import ends_in_logits

# More than an ensemble has members: one that is thrown out is traced again.
_HELD = 24


class Network:
    """A Keras network whose scores, activations and gradients can be asked for.

    The graph is flattened (nested and Sequential models included) and shares the
    weights of `model`, so it follows further training. Every question is one
    `tf.function` that is traced once and serves batches of any size.

    Args:
        model: A functional or Sequential model with one picture as input that ends in
            logits: (B, classes), (B, 1), or per pixel (B, H, W, classes).
        layer: The layer that activations are read from, see
            `kerakd.explain.layers.find_features`.

    Attributes:
        model: The model.
        flat: Its flat graph.
        dense: Whether it gives logits for each pixel.
        classes: How many classes it tells apart; one logit tells two.
        input_shape: (height, width, channels), `None` where any.

    Raises:
        ModelError: The model is subclassed, has several inputs, or does not end in
            logits (on probabilities the maps vanish where the network is sure).
    """

    def __init__(self, model: keras.Model, layer: str | None = None):
        require_graph(model)
        ends = ends_in_logits(model)
        if not ends:
            raise ModelError(
                f"The model {model.name!r} gives probabilities, not logits "
                f"({ends.reason}); use kerakd.models.with_logits(model)."
            )
        if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4:
            raise ModelError(
                f"The model {model.name!r} has inputs of shape "
                f"{[tuple(x.shape) for x in model.inputs]}; heat maps need one input "
                "of pictures (batch, height, width, channels)."
            )
        self.model = model
        self._layer = layer
        self._made: dict[str, Any] = {}
        self.flat = flatten(model)
        output = _logits_of(self.flat)
        if len(output.shape) not in (2, 4):
            raise ModelError(
                f"The model {model.name!r} gives an output of shape "
                f"{tuple(output.shape)}; expected logits (batch, classes) or (batch, "
                "height, width, classes)."
            )
        self.dense = len(output.shape) == 4
        self._single = output.shape[-1] == 1
        self.classes = max(2, output.shape[-1])
        self.input_shape = tuple(model.inputs[0].shape[1:])
        self._net = keras.Model(self.flat.inputs[0], output)

    @cached_property
    def features(self) -> Features:
        """Where activations are read."""
        return find_features(self.model, self._layer)

    def check(self, images: Any) -> np.ndarray:
        """Pictures as this network takes them, float32."""
        images = np.asarray(images)
        if images.ndim != 4 or images.dtype.kind not in "fiub":
            raise DataError(
                "Heat maps need pictures of shape (batch, height, width, channels); "
                f"got {images.dtype} of shape {images.shape}."
            )
        if len(images) == 0:
            raise DataError("There are no pictures to explain: the batch is empty.")
        from kerakd.distillation.teachers import fit_to_input

        return np.asarray(fit_to_input(images.astype(np.float32), self.model))

    def compiled(self, name: str, make: Callable[["Network"], Any]) -> Any:
        """What `make` made for this network, kept under a name."""
        if name not in self._made:
            self._made[name] = make(self)
        return self._made[name]

    # Questions, each compiled ------------------------------------------------------

    @cached_property
    def logits(self) -> Any:
        """Compiled: pictures to logits of `classes` classes, float32."""
        return self._compiled(self._two_classes_of)

    @cached_property
    def input_gradient(self) -> Any:
        """Compiled: (pictures, classes, region) to (scores, d score / d picture)."""

        def ask(x, classes, region):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                scores = self._scores(self._net(x, training=False), classes, region)
            return scores, tape.gradient(scores, x)

        return self._compiled(ask, self.score_signature)

    def score(self, x, classes, region) -> np.ndarray:
        """Scores (B,) of classes: their logits."""
        values = self.logits(x).numpy()
        if self._single:
            # (0, z) becomes (-z, z), as in `input_gradient`.
            values = values - values[..., ::-1]
        return self._picked(values, classes, region)

    def probability(self, x, classes, region) -> np.ndarray:
        """Probabilities (B,) of classes."""
        from scipy.special import softmax

        return self._picked(softmax(self.logits(x).numpy(), -1), classes, region)

    def _picked(self, values, classes, region) -> np.ndarray:
        """`_of_class` for arrays."""
        rows = np.arange(len(values))
        if not self.dense:
            return values[rows, classes]
        of_class = np.stack(
            [one[..., k] for one, k in zip(values, classes, strict=True)]
        )
        return (of_class * region).sum((1, 2)) / np.maximum(region.sum((1, 2)), 1e-6)

    def activations(self, x, classes, region):
        """(scores, activations, their gradient); to be called in a tf.function.

        The gradient goes from the score back to the layer and no further, so this costs
        hardly more than a forward pass.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            features, logits = self.with_features(x, training=False)
            scores = self._scores(logits, classes, region)
        gradient = tape.gradient(scores, features)
        if gradient is None:
            raise ModelError(
                f"The scores of {self.model.name!r} do not depend on the layer "
                f"{self.features.name!r}; name a layer before its logits."
            )
        return scores, self.as_map(features), self.as_map(gradient)

    def as_map(self, features):
        """Activations as float32 (B, h, w, C), also those of tokens."""
        features = tf.cast(features, tf.float32)
        tokens = self.features.tokens
        if tokens is None:
            return features
        before, height, width = tokens
        patches = features[:, before:]
        return tf.reshape(patches, (-1, height, width, features.shape[-1]))

    @cached_property
    def with_features(self) -> keras.Model:
        """From pictures to activations as they come, and logits."""
        flat = self.features.flat
        return keras.Model(flat.inputs[0], [self.features.tensor, _logits_of(flat)])

    @property
    def picture_signature(self) -> tf.TensorSpec:
        return tf.TensorSpec((None, *self.input_shape), tf.float32)

    @property
    def score_signature(self) -> list[tf.TensorSpec]:
        return [
            self.picture_signature,
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None, None, None), tf.float32),
        ]

    def _compiled(self, function: Any, signature: Any = None) -> Any:
        return tf.function(
            function,
            input_signature=signature or [self.picture_signature],
            # AutoGraph, which nothing here needs, would wrap errors in its own.
            autograph=False,
        )

    def _two_classes_of(self, x):
        z = tf.cast(self._net(x, training=False), tf.float32)
        return tf.concat([tf.zeros_like(z), z], -1) if self._single else z

    def _scores(self, logits, classes, region):
        logits = tf.cast(logits, tf.float32)
        if self._single:
            logits = tf.concat([-logits, logits], -1)
        return self._of_class(logits, classes, region)

    def _of_class(self, values, classes, region):
        if not self.dense:
            return tf.gather(values, classes, batch_dims=1)
        of_class = tf.gather(values, classes, axis=-1, batch_dims=1)
        weight = tf.maximum(tf.reduce_sum(region, (1, 2)), 1e-6)
        return tf.reduce_sum(of_class * region, (1, 2)) / weight

    # What is asked about -------------------------------------------------------------

    def targets(
        self, images: np.ndarray, classes: Any, region: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class and region for each picture, where they are not given.

        Args:
            images: As `check` gives them.
            classes: `None` for what the network itself says; one class; or one for each
                picture.
            region: For a segmentation network: which pixels' logits are averaged, shape
                (B, H, W) or (H, W), or `None` for those that are given to the class
                (all pixels where there are none).

        Returns:
            int32 of shape (B,), float32 of shape (B, H, W) (or (B, 1, 1) where unused).
        """
        count = len(images)
        if not self.dense:
            if region is not None:
                raise DataError(
                    f"A region is for networks with an answer for each pixel; "
                    f"{self.model.name!r} gives one for each picture."
                )
            if classes is None:
                classes = self.logits(images).numpy().argmax(-1)
            return check_classes(classes, count, self.classes), np.ones(
                (count, 1, 1), np.float32
            )
        said = self.logits(images).numpy().argmax(-1)
        if classes is None:
            # The largest thing that is not background (class 0).
            areas = np.stack(
                [(said == k).sum(axis=(1, 2)) for k in range(1, self.classes)], -1
            )
            classes = areas.argmax(-1) + 1
        classes = check_classes(classes, count, self.classes)
        if region is None:
            region = (said == classes[:, None, None]).astype(np.float32)
            region[region.sum(axis=(1, 2)) == 0] = 1
            return classes, region
        region = np.asarray(region, np.float32)
        if region.shape not in (said.shape, said.shape[1:]) or region.min() < 0:
            raise DataError(
                f"The region must have the shape {said.shape} (or {said.shape[1:]}) "
                f"and no negative weights; got {region.shape}."
            )
        return classes, np.ascontiguousarray(np.broadcast_to(region, said.shape))


def check_classes(classes: Any, count: int, known: int) -> np.ndarray:
    """One class index for each picture, int32.

    Raises:
        DataError: They are of another number, or no classes of the network.
    """
    classes = np.asarray(classes)
    if classes.ndim == 0:
        classes = np.full(count, classes)
    if classes.shape != (count,) or classes.dtype.kind not in "iu":
        raise DataError(
            f"There are {count} pictures; give one whole class index, or one for each "
            f"(got {classes.dtype} of shape {classes.shape})."
        )
    if classes.min() < 0 or classes.max() >= known:
        raise DataError(
            f"The network tells the classes 0 to {known - 1} apart; got class "
            f"{classes[(classes < 0) | (classes >= known)][0]}."
        )
    return classes.astype(np.int32)


def _logits_of(flat: keras.Model) -> keras.KerasTensor:
    output = flat.output
    if isinstance(output, dict) and "logits" in output:
        return output["logits"]
    if len(flat.outputs) != 1:
        raise ModelError(
            f"The model {flat.name!r} has {len(flat.outputs)} outputs; heat maps need "
            "one, or one that is named 'logits'."
        )
    return flat.outputs[0]


_networks: OrderedDict[tuple[int, str | None], Network] = OrderedDict()


def network_of(model: Any, layer: str | None = None) -> Network:
    """The `Network` of a model, made once for the models used lately."""
    if isinstance(model, Network):
        return model
    model = getattr(model, "student", model)
    key = id(model), layer
    # Its network holds the model, so the id cannot have passed to another one.
    if key not in _networks:
        _networks[key] = Network(model, layer)
    _networks.move_to_end(key)
    while len(_networks) > _HELD:
        _networks.popitem(last=False)
    return _networks[key]
