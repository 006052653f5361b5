"""What a Distiller logs in validation: the loss on the labels, and no distillation."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


class ValidatedOnLabels(keras.Model):
    """A model whose logs in evaluation are those of its student.

    Logs are read off the metrics again at the end of `evaluate`, where the parts of all
    devices have been added up; so they are chosen here and not in `test_step`.
    """

    _validates = False

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Within it the logs are those of validation."""
        before = self._validates
        self._validates = True
        try:
            yield
        finally:
            self._validates = before

    def evaluate(self, *arguments, **options):
        with self.validating():
            return super().evaluate(*arguments, **options)

    def test_step(self, *arguments):
        # `(data)`; on JAX `(state, data)`. Called by test_on_batch, too.
        with self.validating():
            return super().test_step(*arguments)

    def get_metrics_result(self):
        logs = super().get_metrics_result()
        if self._validates:
            for name in self.training_logs:
                logs.pop(name, None)
            logs["student_loss"] = logs["total_loss"] = logs["loss"]
        return logs

    @property
    def training_logs(self) -> list[str]:
        """Names of what is known in training alone."""
        raise NotImplementedError
