"""One training from its arguments to its history: what fit.py's two functions share."""

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerakd.errors import ModelError, RecipeError
from kerakd.files import make_folder
from kerakd.models.logits import ends_in_logits
from kerakd.training import (
    checkpoint,
    devices,
    engine,
    labels,
    labels_step,
    loop,
    setup,
    workers,
)
from kerakd.training.feeding import feed
from kerakd.training.history import Chronicle, Scribe, refill, write_history
from kerakd.training.optimizers import add_up_first, build_optimizer
from kerakd.training.options import TrainingOptions
from kerakd.training.precision import forget_traces, mixed_precision
from kerakd.training.schedules import ReduceOnPlateau, learning_rate
from kerakd.training.stopping import EarlyStopping, StopAtNaN


@dataclass
class Session:
    """The arguments of a training; `run` carries it out.

    See `train_teacher` and `train_student` for those that they have, too.

    Args:
        network: The network that learns.
        wrap: Builds the model that is compiled and trained in its place, a Distiller;
            `None` to train the network itself.
        about: What `wrap` was made of, as far as it decides the weights.
        route_to: The part of images given as `{"student": ..., "teacher": ...}` that
            the model takes; `None` where it takes both.
    """

    network: keras.Model
    train: Any
    validation: Any
    options: TrainingOptions
    route_to: str | None
    out: str | os.PathLike | None
    resume: bool
    name: str
    callbacks: Sequence[keras.callbacks.Callback]
    class_weight: Mapping | str | None
    loss: Any
    metrics: Sequence | None
    verbose: str | int
    wrap: Callable[[keras.Model], keras.Model] | None = None
    about: dict = field(default_factory=dict)

    def __post_init__(self):
        self._check()
        self._train = feed(self.train, self.options)
        self._validation = None
        if self.validation is not None:
            self._validation = feed(self.validation, self.options, shuffle=False)
        self._one_hot = False
        self._form = self._validation_form = None
        if self.loss is None:
            self._find_label_forms()
        self._weights = labels.class_weights(self.class_weight, self._train, self._form)

    # What can be wrong -----------------------------------------------------------

    def _check(self) -> None:
        if not isinstance(self.network, keras.Model):
            raise ModelError(
                "Only a Keras 3 model can be trained; got "
                f"{type(self.network).__module__}.{type(self.network).__name__}."
            )
        if not self.name or Path(self.name).name != self.name:
            raise RecipeError(
                f"`name` becomes part of file names; {self.name!r} cannot."
            )
        if self.out is None and (self.resume or self.options.tensorboard):
            wish = "resume=True" if self.resume else "tensorboard=True"
            raise RecipeError(f"{wish} needs a folder: give `out`.")
        if self.options.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise RecipeError(
                "`tensorboard: true` needs the package tensorboard, which is not "
                "installed: pip install tensorboard."
            )
        if self.loss is not None and self.options.label_smoothing:
            raise RecipeError(
                "`label_smoothing` belongs to the default loss; build it into the "
                "`loss` that you give."
            )
        self._check_watchers()
        self._check_devices()
        if self.loss is None:
            is_logits, reason = ends_in_logits(self.network)
            if not is_logits:
                raise ModelError(
                    f"The model {self.network.name!r} gives probabilities ({reason}), "
                    "but the default loss needs logits; build it without that "
                    "activation, use kerakd.models.with_logits(model), or give `loss`."
                )

    @property
    def _on_replicas(self) -> bool:
        """Whether TensorFlow takes each step on several devices."""
        spread = devices.current()
        return spread is not None and spread.strategy != devices.DATA_PARALLEL

    def _check_devices(self) -> None:
        if self._on_replicas and self.options.gradient_accumulation > 1:
            raise RecipeError(
                "`gradient_accumulation` cannot be had on several devices of "
                "TensorFlow; set it to 1, each device has its part of the batch alone."
            )

    def _check_watchers(self) -> None:
        if self.validation is not None:
            return
        stopping = self.options.early_stopping
        watcher = None
        if self.options.schedule == "plateau":
            watcher = "`schedule: plateau` watches val_loss"
        elif stopping is not None and stopping.monitor.startswith("val_"):
            watcher = f"`early_stopping` watches {stopping.monitor}"
        if watcher:
            raise RecipeError(
                f"{watcher}, but there are no validation data; give `validation`."
            )

    def _find_label_forms(self) -> None:
        network, part = self.network, self.route_to or "student"
        self._form = labels.label_form(network, self._train, part)
        labels.check_range(self._train, self._form, network.name)
        forms = [self._form]
        if self._validation is not None:
            self._validation_form = labels.label_form(network, self._validation, part)
            labels.check_range(self._validation, self._validation_form, network.name)
            forms.append(self._validation_form)
        # One loss serves both sets, so if one is one-hot (MixUp), both have to be.
        self._one_hot = self.options.label_smoothing > 0 or any(
            form.one_hot for form in forms
        )

    # The parts -------------------------------------------------------------------

    def _stream(self, start: int, steps: int) -> Any:
        return self._prepared(self._train.stream(start, steps))

    def _prepared(self, dataset: Any) -> Any:
        return labels.prepare(
            dataset,
            route_to=self.route_to,
            form=self._form,
            one_hot=self._one_hot,
            weights=self._weights,
        )

    def _validation_stream(self) -> Any:
        if self._validation is None:
            return None
        return labels.prepare(
            self._validation.stream(0, self._validation.steps_per_epoch),
            route_to=self.route_to,
            form=self._validation_form,
            one_hot=self._one_hot,
        )

    def _compile(self, model: keras.Model, rate: Any) -> None:
        if not model.trainable_variables:
            raise ModelError(
                f"The model {self.network.name!r} has nothing to train: all its layers "
                "are frozen; set layer.trainable = True, or use kerakd.models.unfreeze."
            )
        loss, metrics = self.loss, self.metrics
        if loss is None:
            smoothing = self.options.label_smoothing
            loss = labels.default_loss(self._form, self._one_hot, smoothing)
            if metrics is None:
                metrics = labels.default_metrics(self._form)
        optimizer = build_optimizer(self.options, rate, model.trainable_variables)
        if self._on_replicas:
            add_up_first(optimizer)
        model.compile(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            jit_compile=engine.jit_compile(self.options.jit_compile),
            steps_per_execution=self.options.steps_per_execution,
            auto_scale_loss=False,
        )

    def _all_callbacks(self, chronicle: Chronicle) -> list:
        options = self.options
        found = [StopAtNaN(self.name, options.learning_rate), chronicle]
        if options.schedule == "plateau":
            found.append(ReduceOnPlateau(options))
        if options.early_stopping is not None:
            found.append(EarlyStopping(options.early_stopping))
        found += self.callbacks
        if options.tensorboard:
            folder = make_folder(Path(self.out) / "tensorboard" / self.name)
            found.append(keras.callbacks.TensorBoard(folder, write_graph=False))
        return found

    # The training ----------------------------------------------------------------

    def run(self) -> keras.callbacks.History:
        """Train to the end, from the start or from a checkpoint."""
        if devices.cluster() is not None:
            # Workers make variables together, and would wait for those that others
            # do not have.
            shapes = [tuple(v.shape) for v in self.network.variables]
            same = [self.name, self.options.get_config(), shapes, self.resume]
            workers.agree(devices.cluster(), same)
        with mixed_precision(self.network, self.options.mixed_precision):
            with devices.variables():
                network = devices.placed(self.network)
                model = self.wrap(network) if self.wrap else network
                if self._on_replicas:
                    labels_step.use_in(model)
                with workers.private(devices.cluster(), self.out) as self.out:
                    history = self._run(model)
            devices.bring_home(network, self.network)
        if self.wrap and self.options.mixed_precision and network is self.network:
            model.dtype_policy = self.network.dtype_policy
            forget_traces(model)
        return history

    def _run(self, model: keras.Model) -> keras.callbacks.History:
        options, steps_per_epoch = self.options, self._train.steps_per_epoch
        rate = learning_rate(options, steps_per_epoch)
        self._compile(model, rate)
        described = setup.describe(
            model, options, self._train, self._validation, self._weights, self.about
        )
        folder = table = found = None
        cluster = devices.cluster()
        if cluster is not None:
            workers.agree(cluster, described)
        if self.out is not None:
            folder = checkpoint.prepare(self.out, self.name)
            table = Path(self.out) / f"history_{self.name}.csv"
            found = self._checkpoint(folder, described)

        chronicle = Chronicle(
            None if isinstance(rate, float) else rate, steps_per_epoch
        )
        history = keras.callbacks.History()
        callbacks = self._all_callbacks(chronicle)
        keeper = loop.Keeper(model, folder, described, chronicle, callbacks)
        callbacks += [history, Scribe(chronicle, table)]
        if folder is not None and options.checkpoint_steps:
            every = options.checkpoint_steps
            callbacks.append(loop.StepKeeper(keeper, every, steps_per_epoch))
        together = loop.OneTraining(
            [*callbacks, keeper],
            add_progbar=self.verbose != 0,
            model=model,
            verbose=self.verbose,
            epochs=options.epochs,
            steps=steps_per_epoch,
        )
        if found is not None:
            keeper.restore(*found, batch=self._prepared(self._train.first()))
            if table is not None and chronicle.rows:
                write_history(table, chronicle.rows)
            if keeper.position.finished:
                refill(history, chronicle.rows)
                return history
        if cluster is not None:
            variables = [*model.variables, *model.optimizer.variables]
            workers.share_variables(cluster, variables)
        loop.run(
            model,
            self._stream,
            self._validation_stream(),
            together,
            keeper.position,
            epochs=options.epochs,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=options.steps_per_execution,
        )
        return history

    def _checkpoint(self, folder: Path, described: dict) -> tuple | None:
        """The checkpoint to go on from; without one, a clean start."""
        if not self.resume:
            checkpoint.clear(folder)
            (Path(self.out) / f"history_{self.name}.csv").unlink(missing_ok=True)
            return None
        if devices.cluster() is not None:
            workers.share_folder(devices.cluster(), folder)
        found = checkpoint.read(folder)
        if found is not None:
            setup.check_same(found[0].setup, described, self.name, folder)
        return found
