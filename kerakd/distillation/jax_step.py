"""The train step on JAX: a pure function of all variables, the teacher's too."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from kerakd.distillation.train_step import finish

State = tuple[list, list, list, list]


def train_step(
    distiller: Any, state: State, data: Any, teacher_values: Sequence[Any]
) -> tuple[dict[str, Any], State]:
    """Take one step of the student's optimizer.

    Args:
        distiller: The Distiller.
        state: Values of its trainable, other, optimizer's and metrics' variables.
        data: The batch.
        teacher_values: Values of `teacher_variables`.

    Returns:
        `(logs, state)`.
    """
    trainable, others, optimizer_values, metrics = state
    optimizer = distiller.optimizer
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    known = [*zip(distiller.non_trainable_variables, others, strict=True)]
    taught = [*zip(teacher_variables(distiller), teacher_values, strict=True)]
    with keras.StatelessScope([*taught, *known]):
        answers = distiller.ask_teachers(x)

    def loss_of(trainable):
        mapping = [*zip(distiller.trainable_variables, trainable, strict=True), *known]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            y_pred, features = distiller.study(x)
            losses = distiller.compute_losses(
                y, y_pred, features, answers, sample_weight
            )
        moved = _values(scope, distiller.non_trainable_variables)
        with keras.StatelessScope(
            zip(optimizer.variables, optimizer_values, strict=True)
        ):
            scaled = optimizer.scale_loss(losses["total_loss"])
        return scaled, (y_pred, losses, moved)

    gradients, (y_pred, losses, others) = jax.grad(loss_of, has_aux=True)(trainable)
    trainable, optimizer_values = optimizer.stateless_apply(
        optimizer_values, gradients, trainable
    )
    mapping = [
        *zip(distiller.trainable_variables, trainable, strict=True),
        *zip(distiller.non_trainable_variables, others, strict=True),
        *zip(distiller.metrics_variables, metrics, strict=True),
    ]
    with keras.StatelessScope(mapping) as scope:
        logs = finish(distiller, x, y, y_pred, losses, sample_weight)
    others = _values(scope, distiller.non_trainable_variables)
    metrics = _values(scope, distiller.metrics_variables)
    return logs, (trainable, others, optimizer_values, metrics)


def make_train_function(distiller: Any) -> Callable:
    """The step compiled as Keras compiles its own, with the teachers as an argument.

    What a compiled function finds outside of its arguments becomes a constant of it:
    a teacher's weights would be copied into the program, and folded for minutes.
    """

    def function(state, data, teacher_values):
        return distiller.train_step(state, data, teacher_values)

    if distiller.jit_compile and not distiller.run_eagerly:
        shardings = None
        if keras.distribution.distribution() is not None:
            shardings = (None, distiller._get_state_sharding_spec())
        function = jax.jit(function, donate_argnums=0, out_shardings=shardings)

    variables = teacher_variables(distiller)

    def step(state, data):
        return function(state, data, [variable.value for variable in variables])

    return distiller._make_function(step)


def teacher_variables(distiller: Any) -> list:
    """All variables of the teachers that are not the Distiller's own."""
    own = {id(variable) for variable in distiller.variables}
    return [v for v in distiller.asked_variables if id(v) not in own]


def _values(scope: keras.StatelessScope, variables: Sequence[Any]) -> list:
    found = [scope.get_current_value(variable) for variable in variables]
    return [
        variable.value if value is None else value
        for variable, value in zip(variables, found, strict=True)
    ]
