"""The teachers of a Distiller: asked, never changed."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
from keras import ops

from kerakd.distillation import fast_teacher
from kerakd.distillation.logits import two_classes
from kerakd.distillation.taps import TappedModel
from kerakd.errors import ModelError
from kerakd.models.loading import load_model


@dataclass(frozen=True)
class TeacherReference:
    """What a saved Distiller remembers of one teacher.

    Args:
        path: Where its file was, or `None` for a teacher that was never a file.
        weights_sha256: Hash of its weights, see `weights_hash`.
        feature_shapes: Shape of each tapped layer's output.
    """

    path: str | None
    weights_sha256: str
    feature_shapes: dict[str, tuple] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: dict) -> "TeacherReference":
        shapes = {k: tuple(v) for k, v in config["feature_shapes"].items()}
        return cls(config["path"], config["weights_sha256"], shapes)


def weights_hash(model: keras.Model) -> str:
    """SHA-256 over shape, dtype and bytes of all weights, in Keras's order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        array = ops.convert_to_numpy(weight.value)
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def fit_to_input(x: Any, model: keras.Model) -> Any:
    """Images brought to the size and channels that `model` takes.

    Resizing is bilinear and antialiased; grey is repeated to colour, colour becomes
    ITU-R 601 luminance. What is no batch of images, or fits already, is unchanged.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        model: A model with one image input of static size.

    Returns:
        Tensor of the model's input shape.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != 1 or not hasattr(x, "shape"):
        return x
    target, came = tuple(inputs[0].shape), tuple(x.shape)
    if len(target) != 4 or len(came) != 4:
        return x
    if target[3] == 3 and came[3] == 1:
        x = ops.repeat(x, 3, axis=-1)
    elif target[3] == 1 and came[3] == 3:
        luminance = ops.convert_to_tensor([0.299, 0.587, 0.114], dtype="float32")
        x = ops.sum(ops.cast(x, "float32") * luminance, axis=-1, keepdims=True)
    if None not in target[1:3] and target[1:3] != came[1:3]:
        x = ops.image.resize(
            ops.cast(x, "float32"), target[1:3], "bilinear", antialias=True
        )
    return x


class Teachers:
    """One or several teachers behind one face.

    A plain object on purpose: Keras does not track it, so a teacher's `trainable`
    flags, weights and losses stay its owner's, and it is not saved with the student.

    Args:
        models: The teachers; `None` for one that is known by reference only.
        references: What a saved file says of each; `None` where they are fresh.
        weights: Share of each teacher; they are scaled to sum to 1.
        preprocessing: What is done to the Distiller's input before a teacher sees it.
        layer_names: For each teacher, the layers to tap.
        dtype: What they compute in, see `kerakd.distillation.fast_teacher`.
    """

    def __init__(
        self,
        models: Sequence[keras.Model | None],
        references: Sequence[TeacherReference | None],
        paths: Sequence[str | None],
        weights: Sequence[float],
        preprocessing: Callable | None,
        layer_names: Sequence[Sequence[str]],
        dtype: str | None = None,
    ):
        fast_teacher.check(dtype)
        self.dtype = dtype
        self.models = list(models)
        self.paths = list(paths)
        self.weights = [w / sum(weights) for w in weights]
        self.preprocessing = preprocessing
        self._layer_names = layer_names
        self._references = list(references)
        self._tapped = [
            None if model is None else self._tap(model, names)
            for model, names in zip(self.models, layer_names, strict=True)
        ]

    def _tap(self, model: keras.Model, names: Sequence[str]) -> TappedModel:
        copy = fast_teacher.in_dtype(model, self.dtype, names)
        return TappedModel(copy, names, "teacher")

    def __len__(self) -> int:
        return len(self.models)

    @property
    def attached(self) -> bool:
        """Whether all teachers are here and can be asked."""
        return all(model is not None for model in self.models)

    @property
    def variables(self) -> list:
        """Variables of those that are asked, which may be copies of the models."""
        asked = [tapped for tapped in self._tapped if tapped is not None]
        return [variable for tapped in asked for variable in tapped.model.variables]

    def feature_shapes(self, index: int) -> dict[str, tuple]:
        """Shapes of one teacher's tapped layers, known even where it is absent."""
        if self._tapped[index] is not None:
            return self._tapped[index].feature_shapes
        return self._references[index].feature_shapes

    def references(self) -> list[TeacherReference]:
        """What to write into a saved file."""
        return [
            reference
            if model is None
            else TeacherReference(path, weights_hash(model), self.feature_shapes(i))
            for i, (model, path, reference) in enumerate(
                zip(self.models, self.paths, self._references, strict=True)
            )
        ]

    def attach(self, index: int, model: keras.Model, path: str | None, check: bool):
        """Put a model where only a reference was.

        Raises:
            ModelError: Its weights are not those that the reference names.
        """
        reference = self._references[index]
        if check and reference is not None:
            found = weights_hash(model)
            if found != reference.weights_sha256:
                raise ModelError(
                    f"This is not the teacher that the Distiller was saved with: its "
                    f"weights have hash {found[:12]}..., expected "
                    f"{reference.weights_sha256[:12]}...; attach that model, or pass "
                    "check=False to go on with another one."
                )
        self._tapped[index] = self._tap(model, self._layer_names[index])
        self.models[index] = model
        self.paths[index] = path or (reference.path if reference else None)

    def find(self, folder: str | os.PathLike) -> bool:
        """Attach absent teachers from their files; whether any was found."""
        found = False
        for index, reference in enumerate(self._references):
            if self.models[index] is not None or reference.path is None:
                continue
            beside = Path(folder) / Path(reference.path).name
            for candidate in (Path(reference.path), beside):
                if not candidate.is_file():
                    continue
                model = load_model(candidate)
                if weights_hash(model) == reference.weights_sha256:
                    self.attach(index, model, str(candidate), check=False)
                    found = True
                    break
        return found

    def ask(self, x: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Each teacher's `(outputs, features)` in inference mode, without gradient."""
        if not self.attached:
            missing = [
                repr(reference.path) if reference.path else "a teacher without a file"
                for model, reference in zip(self.models, self._references, strict=True)
                if model is None
            ]
            raise ModelError(
                f"The teacher is not here ({', '.join(missing)}); call "
                "distiller.attach_teacher(model) before fit. evaluate, predict and "
                ".student need no teacher."
            )
        answers = []
        for tapped in self._tapped:
            seen = self.preprocessing(x) if self.preprocessing else x
            answer = tapped(fit_to_input(seen, tapped.model), training=False)
            answers.append(keras.tree.map_structure(ops.stop_gradient, answer))
        return answers

    def recall(
        self, outputs: Any, features: dict[str, Any] | None = None
    ) -> list[tuple[Any, dict[str, Any]]]:
        """What a cache holds, in the form of `ask`.

        Args:
            outputs: Logits `(batch, teachers, ..., classes)`.
            features: By `"<number of the teacher>/<layer>"`.
        """
        if outputs.shape[1] != len(self):
            raise ModelError(
                f"The cached outputs are of {outputs.shape[1]} teacher(s), and this "
                f"Distiller has {len(self)}; use the teachers that the cache was "
                "built with."
            )
        answers = []
        for index, names in enumerate(self._layer_names):
            said = {}
            for name in names:
                key = f"{index}/{name}"
                if key not in (features or {}):
                    raise ModelError(
                        f"This teacher cache holds logits and {_known(features)}, and "
                        f"a loss reads the teacher's layer {name!r}; build one with "
                        f"layers=[{name!r}], or train without a cache."
                    )
                said[name] = features[key]
            answers.append((outputs[:, index], said))
        return answers

    def combine(self, outputs: Sequence[Any], temperature: Any) -> Any:
        """Logits whose softmax at `temperature` is the teachers' mean opinion.

        The mean is over softened probabilities ("Distilling the Knowledge in a Neural
        Network", Hinton et al., 2015, section 5), not over logits.

        Args:
            outputs: For each teacher a tensor, or a structure of tensors, of logits.
            temperature: The temperature at which the loss will soften them.

        Returns:
            A structure like one teacher's; that teacher's own logits if it is alone.
        """
        if len(outputs) == 1:
            return outputs[0]

        def mean(*logits):
            single = logits[0].shape[-1] == 1
            logs = [
                ops.log_softmax(
                    ops.cast(two_classes(z), "float32") / temperature, axis=-1
                )
                + ops.log(w)
                for z, w in zip(logits, self.weights, strict=True)
            ]
            combined = ops.logsumexp(ops.stack(logs), axis=0) * temperature
            return combined[..., 1:] - combined[..., :1] if single else combined

        return keras.tree.map_structure(mean, *outputs)


def _known(features: dict[str, Any] | None) -> str:
    if not features:
        return "no features"
    return "the layers " + ", ".join(key.split("/", 1)[1] for key in features)


def resolve(teacher: Any) -> tuple[keras.Model | None, TeacherReference | None, Any]:
    """A teacher as given by the user, as `(model, reference, path)`.

    Raises:
        ModelError: It is neither a model nor the path of one.
    """
    if isinstance(teacher, TeacherReference):
        return None, teacher, teacher.path
    if isinstance(teacher, str | os.PathLike):
        return load_model(teacher), None, str(Path(teacher))
    if isinstance(teacher, keras.Model):
        return teacher, None, None
    raise ModelError(
        "A teacher is a keras.Model, the path of a .keras file, or a list of these; "
        f"got {type(teacher).__name__}."
    )
