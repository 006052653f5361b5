"""A distillation token: labels teach one head, the teacher another (DeiT)."""

import keras
import numpy as np
import pytest

import kerakd
from kerakd.losses import HardLabel, Hint, KLDivergence
from tests.distillation.tiny import crossentropy, make_data


def two_headed(seed=2):
    """Like DeiT: two heads, whose mean is the output."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(inputs)
    heads = [
        keras.layers.Dense(3, name=f"{name}_logits")(x)
        for name in ("class", "distillation")
    ]
    return keras.Model(inputs, keras.layers.Average(name="logits")(heads))


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("hard", [False, True])
def test_each_head_has_its_own_teacher(teacher, hard):
    """The two formulas of the paper (arXiv:2012.12877, equations 2 and 3)."""
    student = two_headed()
    x, y = make_data(12)
    class_logits, token_logits = (
        np.array(student.get_layer(f"{name}_logits")(x.reshape(12, -1)))
        for name in ("class", "distillation")
    )
    said = np.array(teacher(x, training=False))
    if hard:
        loss = HardLabel(student_layer_name="distillation_logits")
        kd = -log_softmax(token_logits)[np.arange(12), said.argmax(-1)].mean()
    else:
        loss = KLDivergence(3.0, student_layer_name="distillation_logits")
        t, s = log_softmax(said / 3.0), log_softmax(token_logits / 3.0)
        kd = 9.0 * (np.exp(t) * (t - s)).sum(-1).mean()
    labels = -log_softmax(class_logits)[np.arange(12), y].mean()
    distiller = kerakd.Distiller(
        teacher, student, loss, None, 0.4, label_layer_name="class_logits"
    )
    distiller.compile(keras.optimizers.SGD(0.1), crossentropy(), metrics=["accuracy"])
    heads = [student.get_layer(f"{n}_logits") for n in ("class", "distillation")]
    before = [np.array(head.kernel) for head in heads]
    logs = distiller.fit(x, y, batch_size=12, verbose=0).history
    assert logs["student_loss"][0] == pytest.approx(labels, rel=1e-5)
    assert logs["distillation_loss"][0] == pytest.approx(kd, rel=1e-4)
    assert logs["loss"][0] == pytest.approx(0.4 * labels + 0.6 * kd, rel=1e-4)
    # The label's gradient does not reach the token's head, nor the other way round.
    flat = x.reshape(12, -1)
    gradient = (np.exp(log_softmax(class_logits)) - np.eye(3)[y]) / 12
    np.testing.assert_allclose(
        np.array(heads[0].kernel), before[0] - 0.04 * flat.T @ gradient, atol=1e-5
    )
    assert np.abs(np.array(heads[1].kernel) - before[1]).max() > 1e-4


def test_it_is_saved_and_loaded(teacher, tmp_path):
    loss = HardLabel(student_layer_name="distillation_logits")
    distiller = kerakd.Distiller(
        teacher, two_headed(), loss, label_layer_name="class_logits"
    )
    distiller.compile("adam", crossentropy())
    distiller.save(tmp_path / "distiller.keras")
    loaded = kerakd.load(tmp_path / "distiller.keras").attach_teacher(teacher)
    x, y = make_data(8)
    losses = [
        float(one.compute_loss(x=x, y=keras.ops.convert_to_tensor(y)))
        for one in (distiller, loaded)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_layers_that_are_not_there_are_named(teacher):
    with pytest.raises(kerakd.KerakdError, match="clas_logits"):
        kerakd.Distiller(
            teacher, two_headed(), KLDivergence(), label_layer_name="clas_logits"
        )
    with pytest.raises(ValueError, match="both"):
        Hint(student_layer_name="relu")
    with pytest.raises(ValueError, match="both"):
        KLDivergence(teacher_layer_name="relu")
