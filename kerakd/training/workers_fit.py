"""`fit` and `evaluate` for several workers.

Keras's own fail under `tf.distribute.MultiWorkerMirroredStrategy`: they average the
logs of a step along an axis that scalars do not have (keras-team/keras #20585).
"""

import contextlib
from typing import Any

import keras
import tensorflow as tf

from kerakd.distillation import replicas
from kerakd.training import labels_step
from kerakd.training.fusing import fused_operations


class WorkersFit:
    """Trains and judges a compiled model, of which each worker has a copy.

    A batch is that of all workers. Each makes the whole of it and takes its own
    samples; that and the step are all that differ from Keras's `fit`.

    Args:
        model: Born under the strategy.
        strategy: The strategy.
        index: This worker's place.
    """

    def __init__(self, model: keras.Model, strategy: Any, index: int):
        self._model = model
        self._strategy = strategy
        self._index = index

        def train(data, rows):
            # Which only the thread that traces the step looks for.
            with fused_operations(), replicas.counting(rows):
                logs = model.train_step(data)
            # So that all workers see the same, and stop at the same step.
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.MEAN, logs)

        def test(data, rows):
            with replicas.counting(rows):
                labels_step.test_step(model, data)

        self._train = self._on_iterator(train)
        self._test = self._on_iterator(test)
        self._settle = tf.function(lambda: strategy.run(self._average))
        # By how many there are: some are made when they are first needed.
        self._summed = tf.function(lambda count: strategy.run(self._sums))
        self._validation = (None, None)

    def _on_iterator(self, step: Any) -> Any:
        @tf.function(reduce_retracing=True, autograph=False)
        def take(iterator):
            return self._strategy.run(step, args=next(iterator))

        return take

    def _own(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """This worker's samples of each batch, and how many of them count."""
        place, count = self._index, self._strategy.num_replicas_in_sync

        def part(*batch):
            samples = tf.shape(keras.tree.flatten(batch)[0])[0]
            start, stop = samples * place // count, samples * (place + 1) // count
            last = tf.maximum(stop, start + 1)
            own = keras.tree.map_structure(lambda t: t[start:last], batch)
            return own, stop - start

        return dataset.map(part, tf.data.AUTOTUNE, deterministic=True).prefetch(2)

    def fit(
        self,
        dataset: tf.data.Dataset,
        *,
        validation_data: tf.data.Dataset | None,
        initial_epoch: int,
        epochs: int,
        steps_per_epoch: int | None,
        callbacks: keras.callbacks.CallbackList,
        shuffle: bool = False,
    ) -> None:
        """As `keras.Model.fit`."""
        model = self._model
        batches = iter(self._own(dataset))
        steps = steps_per_epoch or int(dataset.cardinality())
        callbacks.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            for step in range(steps):
                callbacks.on_train_batch_begin(step)
                callbacks.on_train_batch_end(step, self._train(batches))
                if model.stop_training:
                    break
            self.settle()
            logs = self._logs()
            if validation_data is not None:
                found = self.evaluate(validation_data, callbacks=callbacks)
                logs |= {f"val_{name}": value for name, value in found.items()}
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end()

    def evaluate(
        self, dataset: tf.data.Dataset, callbacks: Any = None, verbose: Any = 0
    ) -> dict[str, float]:
        """As `keras.Model.evaluate`, with `return_dict`."""
        model = self._model
        validating = getattr(model, "validating", contextlib.nullcontext)
        with validating():
            if callbacks is not None:
                callbacks.on_test_begin()
            model.reset_metrics()
            if self._validation[0] is not dataset:
                self._validation = (dataset, self._own(dataset))
            batches = iter(self._validation[1])
            for _ in range(int(dataset.cardinality())):
                self._test(batches)
            logs = self._logs()
            if callbacks is not None:
                callbacks.on_test_end(logs)
        return logs

    def _logs(self) -> dict[str, Any]:
        """The metrics over the samples of all workers, who ask for them together."""
        # Metrics would ask for each of their variables by itself.
        counters = self._counters()
        known = zip(counters, self._summed(len(counters)), strict=True)
        with keras.StatelessScope(state_mapping=list(known)):
            found = self._model.get_metrics_result()
        numbers = keras.tree.map_structure(keras.ops.convert_to_numpy, dict(found))
        return {k: float(v) if v.ndim == 0 else v for k, v in numbers.items()}

    def _counters(self) -> list:
        return [v for v in self._model.metrics_variables if v.aggregation == "sum"]

    def _sums(self) -> list:
        values = [tf.identity(v.value) for v in self._counters()]
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    def settle(self) -> None:
        """Give batch normalisation the mean of the workers' running statistics.

        In between each worker has those of its own samples; in training none reads
        them.
        """
        if self._statistics():
            self._settle()

    def _statistics(self) -> list:
        found = {id(v): v for v in self._model.non_trainable_variables}.values()
        return [
            v
            for v in found
            if v.aggregation == "none" and keras.backend.is_float_dtype(v.dtype)
        ]

    def _average(self) -> None:
        variables = self._statistics()
        # A variable itself would be reduced by its handle.
        values = [tf.identity(v.value) for v in variables]
        context = tf.distribute.get_replica_context()
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(mean)
