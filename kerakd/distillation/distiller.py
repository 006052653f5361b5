"""The Distiller: a student learns from labels and teachers, by `model.fit`."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerakd.distillation import (
    checks,
    configuration,
    registry,
    replicas,
    schedules,
    train_step,
)
from kerakd.distillation.mean_teacher import MeanTeacher
from kerakd.distillation.routing import is_routed, route
from kerakd.distillation.taps import TappedModel
from kerakd.distillation.teachers import Teachers, resolve
from kerakd.distillation.terms import make_terms
from kerakd.distillation.validation import ValidatedOnLabels
from kerakd.errors import ModelError


@keras.saving.register_keras_serializable("kerakd")
class Distiller(ValidatedOnLabels):
    """Trains `student` on labels and on what `teacher` thinks of the same inputs.

    `total = student_loss_weight * loss(y, student)
    + (1 - student_loss_weight) * sum_i weight_i * distillation_loss_i` plus the
    student's own regularisers. Each batch costs one forward pass of the teacher, in
    inference mode and without gradient, and one training pass of the student. The
    teacher object is left as it was, its `trainable` flags too. `evaluate`,
    `predict` and calling the Distiller are the student's.

    "Distilling the Knowledge in a Neural Network", Hinton et al., 2015
    (arXiv:1503.02531). The arguments are those of `keras.distillation.Distiller`.

    Args:
        teacher: A `keras.Model` that gives logits, the path of its `.keras` file, or
            a list of these; or a `kerakd.MeanTeacher`. Images of another size or
            channel count are adapted.
        student: A `keras.Model` that gives logits. A model that ends in a softmax or
            sigmoid is given back with logits by `kerakd.models.with_logits`.
        distillation_losses: One or several `kerakd.losses` objects or names,
            `keras.losses.Loss` objects called as `loss(teacher, student)`, or
            `keras.distillation.DistillationLoss` objects.
        distillation_loss_weights: One weight of at least 0 for each; all 1 if `None`.
        student_loss_weight: Weight of the labels, in [0, 1], or a
            `keras.optimizers.schedules` object. 1 asks no teacher at all.
        teacher_weights: For several teachers, the share of each in the mean of their
            softened probabilities; equal if `None`.
        teacher_preprocessing: A layer or registered function that is applied to the
            input before the teacher sees it.
        label_layer_name: The student's layer whose logits are compared with the labels;
            its outputs if `None`. With a distillation token the labels teach the class
            token alone: `"class_logits"`.
        teacher_dtype: `"bfloat16"` asks a copy of the teacher that computes in
            bfloat16, about twice as fast on a CPU with AVX512-BF16; its logits are off
            by about 1% of their spread. `"float32"` folds batch normalisation into
            convolutions and rounds nothing. `None` asks the teacher itself.
        name: Name of the model.
        **kwargs: As in `keras.Model`.

    Raises:
        ModelError: A model ends in probabilities, class counts differ, or a layer is
            unknown.
        RecipeError: A weight, temperature or loss is out of range or unknown.

    Inputs: what the student takes; or a dictionary `{"student": x, "teacher": x2}` for
    a teacher that is shown something else, larger pictures for instance; or
    `{"student": x, "teacher_outputs": logits}` from a `kerakd.TeacherCache`, logits of
    shape `(batch, teachers, ..., classes)`, and no teacher is asked.

    Example:

    ```python
    import keras
    import kerakd

    teacher = kerakd.models.build("resnet50", 4, (64, 64, 3))
    student = kerakd.models.build("mobilenet_v3_small", 4, (64, 64, 3))
    distiller = kerakd.Distiller(
        teacher, student, kerakd.losses.KLDivergence(temperature=4.0)
    )
    distiller.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    # distiller.fit(train, validation_data=validation, epochs=10)
    # distiller.student.save("student.keras")
    ```
    """

    def __init__(
        self,
        teacher: Any,
        student: keras.Model,
        distillation_losses: Any,
        distillation_loss_weights: float | Sequence[float] | None = None,
        student_loss_weight: Any = 0.5,
        teacher_weights: Sequence[float] | None = None,
        teacher_preprocessing: Callable | None = None,
        label_layer_name: str | None = None,
        teacher_dtype: str | None = None,
        name: str = "distiller",
        **kwargs,
    ):
        checks.is_model(student, "student")
        # Loss scaling under mixed precision goes by the policy of the model that is
        # compiled, which is this one.
        kwargs.setdefault("dtype", student.dtype_policy)
        super().__init__(name=name, **kwargs)
        self.student = student
        self.student_loss_weight = schedules.check(
            student_loss_weight, "student_loss_weight", 0.0, 1.0
        )
        losses = checks.as_list(distillation_losses, "distillation_losses")
        self.distillation_losses = [registry.get(loss) for loss in losses]
        self.distillation_loss_weights = checks.weights(
            distillation_loss_weights, len(losses), "distillation_loss_weights"
        )
        self.label_layer_name = label_layer_name
        self.mean_teacher = teacher if isinstance(teacher, MeanTeacher) else None
        if self.mean_teacher is not None:
            self.average = teacher = self.mean_teacher.copy_of(student)
        teachers = [resolve(one) for one in checks.as_list(teacher, "teacher")]
        self._teachers = Teachers(
            models=[model for model, _, _ in teachers],
            references=[reference for _, reference, _ in teachers],
            paths=[path for _, _, path in teachers],
            weights=checks.shares(teacher_weights, len(teachers)),
            preprocessing=teacher_preprocessing,
            layer_names=checks.teacher_layers(self.distillation_losses, len(teachers)),
            dtype=teacher_dtype,
        )
        tapped = checks.student_layers(self.distillation_losses, label_layer_name)
        self._tapped_student = TappedModel(student, tapped, "student")
        for model in self._teachers.models:
            if model is not None:
                checks.teacher_and_student(model, student, self.distillation_losses)
        self._terms = make_terms(
            self.distillation_losses, self._teachers, self._tapped_student
        )
        # The terms are plain objects; a projector learns, so Keras has to know it.
        self.projectors = [t.projector for t in self._terms if t.projector is not None]
        self.steps = self.add_weight(
            shape=(),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="steps",
        )
        self.student_loss_tracker = keras.metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = keras.metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.term_trackers = [keras.metrics.Mean(name=t.name) for t in self._terms]
        # Keras drops a saved optimizer's state, with only a warning, where it is not.
        self.built = student.built

    # The teacher -----------------------------------------------------------------

    @property
    def teacher(self) -> Any:
        """The teacher as it was given; a list for several; `None` where absent."""
        models = self._teachers.models
        return models[0] if len(models) == 1 else list(models)

    def __dir__(self) -> list[str]:
        # Keras saves every layer that it finds among dir(self); the teacher is its
        # owner's and is saved by reference.
        return [name for name in super().__dir__() if name != "teacher"]

    def attach_teacher(self, teacher: Any, check: bool = True) -> "Distiller":
        """Give a loaded Distiller its teacher back.

        Args:
            teacher: A model, the path of one, or a list of these, in the order of the
                constructor.
            check: Whether its weights must be those that the Distiller was saved
                with.

        Returns:
            This Distiller.

        Raises:
            ModelError: Another number of teachers, or other weights.
        """
        teachers = checks.as_list(teacher, "teacher")
        if len(teachers) != len(self._teachers):
            raise ModelError(
                f"This Distiller has {len(self._teachers)} teacher(s); got "
                f"{len(teachers)}. Pass one for each, in order."
            )
        for index, one in enumerate(teachers):
            model, _, path = resolve(one)
            checks.teacher_and_student(model, self.student, self.distillation_losses)
            self._teachers.attach(index, model, path, check)
        # A function traced before would still ask the teacher of then.
        self.train_function = None
        return self

    def find_teacher(self, folder: Any) -> "Distiller":
        """Attach each absent teacher whose file is where it was, or in `folder`.

        A file whose weights are others than those remembered is left alone.
        """
        if self._teachers.find(folder):
            self.train_function = None
        return self

    @property
    def asked_variables(self) -> list:
        """All variables that an answer of the teachers depends on."""
        return self._teachers.variables

    def ask_teachers(self, x: Any) -> list | None:
        """What the teachers say of a batch; `None` where nobody would listen."""
        if self._labels_alone:
            return None
        if is_routed(x) and "teacher_outputs" in x:
            features = x.get("teacher_features")
            return self._teachers.recall(x["teacher_outputs"], features)
        return self._teachers.ask(route(x, "teacher"))

    # The student -----------------------------------------------------------------

    @property
    def _labels_alone(self) -> bool:
        return self.student_loss_weight == 1

    @property
    def output_names(self) -> list[str] | None:
        """The student's, so that `compile` takes losses by output name."""
        return getattr(self.student, "output_names", None)

    def study(self, x: Any) -> tuple[Any, dict[str, Any]]:
        """The student's `(outputs, features)` in training mode, in one pass."""
        return self._tapped_student(route(x, "student"), training=True)

    def call(self, inputs, training=None):
        return self.student(route(inputs, "student"), training=training)

    # Losses ----------------------------------------------------------------------

    def compute_losses(
        self,
        y: Any,
        y_pred: Any,
        features: dict[str, Any],
        answers: list | None,
        sample_weight: Any = None,
    ) -> dict[str, Any]:
        """All parts of the training loss of one batch, each a scalar.

        Args:
            y: Labels; `None` where `student_loss_weight` is 0.
            y_pred: The student's outputs.
            features: The student's tapped features, from `study`.
            answers: The teachers' answers, from `ask_teachers`.
            sample_weight: Weights of the samples, shape `(batch,)`.

        Returns:
            `student_loss`, each term by its name, `distillation_loss`, `total_loss`.
        """
        with schedules.at_step(ops.convert_to_tensor(self.steps)):
            alpha = schedules.current(self.student_loss_weight)
            losses, total = {}, None
            if y is not None and not _is_zero(alpha):
                logits = y_pred
                if self.label_layer_name is not None:
                    logits = features[self.label_layer_name]
                losses["student_loss"] = self._compile_loss(y, logits, sample_weight)
                total = losses["student_loss"]
                total = total if self._labels_alone else alpha * total
            elif not _is_zero(alpha):
                raise ModelError(
                    "The data hold no labels; give (x, y), or set "
                    "student_loss_weight=0 to learn from the teacher alone."
                )
            if answers is not None:
                soft = 0.0
                for term, weight in zip(
                    self._terms, self.distillation_loss_weights, strict=True
                ):
                    value = term(
                        self._teachers, answers, y_pred, features, y, sample_weight
                    )
                    losses[term.name] = value
                    soft = soft + weight * value
                losses["distillation_loss"] = soft
                soft = (1 - alpha) * soft
                total = soft if total is None else total + soft
        if self.losses:
            penalties = [replicas.share(loss) for loss in self.losses]
            total = ops.sum(ops.stack([total, *penalties]))
        losses["total_loss"] = total
        return losses

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The total loss in training; in evaluation the student's own."""
        if not training:
            if self._compile_loss is None:
                return ops.zeros(())
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        if y_pred is None or self._tapped_student.layer_names:
            y_pred, features = self.study(x)
        else:
            features = {}
        answers = self.ask_teachers(x)
        losses = self.compute_losses(y, y_pred, features, answers, sample_weight)
        return losses["total_loss"]

    # Training --------------------------------------------------------------------

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """As `keras.Model.compile`; `loss` compares labels with the student's logits.

        A crossentropy given by name is read as one on logits, since that is what a
        student gives. One that was built for probabilities is refused.

        Args:
            optimizer: As in `keras.Model.compile`.
            loss: As in `keras.Model.compile`; may be left out only where
                `student_loss_weight` is 0.
            **kwargs: As in `keras.Model.compile`.

        Raises:
            ModelError: The loss is missing or expects probabilities.
        """
        loss = checks.label_loss(loss, self.student_loss_weight)
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def make_train_function(self, force=False):
        if not train_step.make(self, force):
            super().make_train_function(force)

    def train_step(self, *arguments):
        # `(data)`; on JAX `(state, data, values of the teachers)`.
        return train_step.of_backend().train_step(self, *arguments)

    @property
    def trackers(self) -> dict[str, keras.metrics.Metric]:
        """What averages each part of the loss over an epoch, by the log's name."""
        own = {metric.name: metric for metric in self._own_trackers}
        return {**own, "loss": self._loss_tracker}

    @property
    def _own_trackers(self) -> list:
        return [
            self.student_loss_tracker,
            *self.term_trackers,
            self.distillation_loss_tracker,
            self.total_loss_tracker,
        ]

    @property
    def training_logs(self) -> list[str]:
        own = (*self.term_trackers, self.distillation_loss_tracker)
        return [metric.name for metric in own]

    # Saving ----------------------------------------------------------------------

    def save_own_variables(self, store):
        store["steps"] = ops.convert_to_numpy(self.steps.value)
        for index, state in enumerate(configuration.random_states(self)):
            store[f"random_state_{index}"] = ops.convert_to_numpy(state.value)

    def load_own_variables(self, store):
        self.steps.assign(store["steps"][()])
        for index, state in enumerate(configuration.random_states(self)):
            state.assign(store[f"random_state_{index}"][()])

    def get_config(self) -> dict:
        """Everything but weights; the teacher by reference (path and hash)."""
        return configuration.describe(self, self._teachers)

    @classmethod
    def from_config(cls, config):
        return cls(**configuration.read(config))


def _is_zero(weight: Any) -> bool:
    return isinstance(weight, int | float) and weight == 0
