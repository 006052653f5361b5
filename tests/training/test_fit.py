import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerakd
from kerakd.errors import DataError, KerakdError, ModelError, RecipeError

QUIET = {"verbose": 0, "batch_size": 8}


def fit(model, data, **options):
    return kerakd.train_teacher(model, data, **{**QUIET, **options})


def in_order(arrays, batch_size=8):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)


def test_a_network_learns(net, arrays):
    history = fit(net(), arrays, validation=arrays, epochs=12, learning_rate=0.05)
    assert history.history["accuracy"][-1] > 0.9
    assert history.epoch == list(range(12))


def test_without_a_teacher_it_is_plain_fit(net, arrays, same):
    one, other = net(), net()
    data = in_order(arrays)
    history = kerakd.train_student(one, data, data, epochs=2, **QUIET)
    other.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    with kerakd.training.fused_operations():
        expected = other.fit(data, validation_data=data, epochs=2, verbose=0)
    assert same(one, other)
    rates = history.history.pop("learning_rate")
    assert history.history == expected.history
    assert rates == pytest.approx([1e-3, 1e-3])


def test_the_same_seed_gives_the_same_weights(net, arrays, same):
    options = {"optimizer": "adamw", "schedule": "cosine", "epochs": 2}
    one, other = net(), net()
    histories = [fit(model, arrays, **options).history for model in (one, other)]
    assert same(one, other)
    assert histories[0] == histories[1]
    fit(third := net(), arrays, seed=1, **options)
    assert not same(one, third)


def test_distillation(net, arrays):
    teacher, student = net(filters=8, seed=1), net()
    before = [w.copy() for w in teacher.get_weights()]
    history = kerakd.train_student(
        student, arrays, arrays, teacher=teacher, temperature=2.0, epochs=2, **QUIET
    )
    assert isinstance(history.model, kerakd.Distiller)
    assert history.model.distillation_losses[0].temperature == 2.0
    logs = history.history
    assert {"student_loss", "distillation_loss", "total_loss", "val_loss"} <= set(logs)
    for total, hard, soft in zip(
        logs["total_loss"], logs["student_loss"], logs["distillation_loss"], strict=True
    ):
        assert total == pytest.approx(0.5 * hard + 0.5 * soft, rel=1e-5)
    for a, b in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_distillation_by_labels_alone_is_training_without_a_teacher(net, arrays, same):
    one, other = net(), net()
    kerakd.train_student(
        one, arrays, teacher=net(seed=1), student_loss_weight=1.0, epochs=2, **QUIET
    )
    kerakd.train_student(other, arrays, epochs=2, **QUIET)
    assert same(one, other)


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({}, [1.0, 1.0, 1.0, 1.0]),
        ({"schedule": "step", "step_epochs": 2, "step_factor": 0.5}, [1, 1, 0.5, 0.5]),
        (
            {"schedule": "cosine", "warmup_epochs": 2},
            # The last of the warm-up's six steps; then steps 2 and 5 of six.
            [3 / 7, 6 / 7, 0.75, 0.0669873],
        ),
        (
            {"schedule": "plateau", "plateau_patience": 1, "plateau_factor": 0.5},
            [1.0, 1.0, 0.5, 0.25],
        ),
    ],
)
def test_learning_rate_of_each_epoch(net, arrays, options, rates):
    class Rising(keras.losses.Loss):
        """Its value in validation is the number of steps taken so far."""

        def call(self, y_true, y_pred):
            return 0.0 * keras.ops.sum(y_pred, -1) + keras.ops.cast(steps, "float32")

    steps = keras.Variable(0.0)
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.assign_add(1.0)
    )
    history = fit(
        net(),
        arrays,
        validation=arrays,
        epochs=4,
        learning_rate=1.0,
        optimizer="sgd",
        momentum=0.0,
        loss=Rising(),
        callbacks=[count],
        **options,
    )
    assert history.history["learning_rate"] == pytest.approx(rates, rel=1e-4)


def test_label_smoothing_and_mixed_forms_of_labels(net, arrays):
    x, y = arrays
    one_hot = np.eye(3, dtype="float32")[y]
    losses = []
    for labels, validation in ((y, y), (y, one_hot), (one_hot, y)):
        history = fit(
            net(),
            (x, labels),
            validation=(x, validation),
            label_smoothing=0.1,
            epochs=1,
        )
        losses.append((history.history["loss"], history.history["val_loss"]))
    assert losses[1:] == losses[:1] * 2
    model = net()
    model.compile(loss=keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1))
    fit(trained := net(), (x, y), label_smoothing=0.1, epochs=1)
    model.set_weights(trained.get_weights())
    assert losses[0][1][0] == pytest.approx(
        model.evaluate(x, one_hot, verbose=0, batch_size=8), rel=1e-6
    )


def test_a_sample_of_weight_0_is_out_of_the_gradient(net, arrays):
    def frozen():
        # BatchNorm sees all samples: it is switched off, so that the loss alone tells.
        model = net()
        model.layers[3].trainable = False
        model.layers[6].rate = 0.0
        return model

    x, y = arrays
    weights = np.array([1.0, 0.0] * 11, "float32")
    other_x = np.where(weights[:, None, None, None] == 0, 255 - x, x)
    other_y = np.where(weights == 0, 0, y)
    one, other = frozen(), frozen()
    fit(one, (x, y, weights), epochs=2)
    fit(other, (other_x, other_y, weights), epochs=2)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_class_weights_are_sample_weights(net, arrays, same):
    x, y = arrays
    per_class = np.array([1.0, 0.0, 3.0], "float32")
    one, other, third = net(), net(), net()
    fit(one, (x, y), class_weight={0: 1, 1: 0, 2: 3}, epochs=1)
    fit(other, (x, y, per_class[y]), epochs=1)
    fit(third, (x, np.eye(3)[y]), class_weight={0: 1, 1: 0, 2: 3}, epochs=1)
    assert same(one, other)
    for a, b in zip(one.get_weights(), third.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_early_stopping_restores_the_best(net, arrays):
    x, y = arrays
    wrong = (x, (y + 1) % 3)
    model, kept = net(), []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(model.get_weights())
    )
    history = fit(
        model,
        arrays,
        validation=wrong,
        epochs=20,
        learning_rate=0.05,
        early_stopping={"patience": 2},
        callbacks=[keep],
    )
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 20
    for a, b in zip(model.get_weights(), kept[best], strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_of_a_run(net, arrays, tmp_path):
    history = fit(net(), arrays, validation=arrays, epochs=2, out=tmp_path, name="t")
    with open(tmp_path / "history_t.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["epoch", "seconds", "learning_rate"]
    assert list(rows[0])[3:] == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for key, values in history.history.items():
        assert [float(row[key]) for row in rows] == pytest.approx(values, rel=1e-6)
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert kerakd.training.is_finished(tmp_path, "t")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoints",
        "history_t.csv",
    ]


def test_steps_per_execution_that_do_not_fill_an_epoch(net, arrays, same):
    one, other = net(), net()
    histories = [
        fit(model, arrays, epochs=2, steps_per_execution=steps).history
        for model, steps in ((one, 1), (other, 2))
    ]
    assert same(one, other)
    assert histories[0] == histories[1]


def test_gradient_accumulation_is_a_larger_batch():
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, kernel_initializer="zeros")(inputs)
    one = keras.Model(inputs, outputs)
    other = keras.models.clone_model(one)
    generator = np.random.default_rng(0)
    data = generator.normal(size=(16, 4)).astype("float32"), np.arange(16) % 3
    options = {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.1}
    fit(one, in_order(data, 4), gradient_accumulation=2, **options)
    fit(other, in_order(data, 8), **options)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_mixed_precision_leaves_a_float32_model(net, arrays):
    student = net()
    history = kerakd.train_student(
        student,
        arrays,
        teacher=net(seed=1),
        mixed_precision="float16",
        epochs=6,
        learning_rate=0.05,
        **QUIET,
    )
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert isinstance(history.model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert history.model.dtype_policy.name == "float32"
    assert {layer.dtype_policy.name for layer in student.layers} == {"float32"}
    assert student.predict(arrays[0], verbose=0).dtype == np.float32


def test_a_saved_model_loads_without_kerakd(net, arrays, tmp_path):
    model = net()
    fit(model, arrays, epochs=1, label_smoothing=0.1, optimizer="adamw")
    model.save(tmp_path / "model.keras")
    custom = keras.saving.get_custom_objects()
    kept = dict(custom)
    custom.clear()
    try:
        loaded = keras.models.load_model(tmp_path / "model.keras")
    finally:
        custom.update(kept)
    assert loaded.loss.label_smoothing == 0.1


def test_nan_stops_the_training(net, arrays):
    x, y = arrays
    x = x.copy()
    x[9] = np.nan
    with pytest.raises(KerakdError, match=r"'teacher' broke in epoch 1 at step 2: "):
        fit(net(), in_order((x, y)), epochs=2)


def test_tensorboard_is_asked_for_by_name(net, arrays, tmp_path):
    import importlib.util

    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(RecipeError, match="pip install tensorboard"):
            fit(net(), arrays, epochs=1, tensorboard=True, out=tmp_path)
        return
    fit(net(), arrays, validation=arrays, epochs=1, tensorboard=True, out=tmp_path)
    folder = tmp_path / "tensorboard" / "teacher"
    assert {p.name for p in folder.iterdir()} == {"train", "validation"}


def softmaxed(net):
    model = net()
    return keras.Model(model.inputs, keras.layers.Softmax()(model.output))


def frozen(net):
    model = net()
    model.trainable = False
    return model


@pytest.mark.parametrize(
    ("make", "options", "kind", "sentence"),
    [
        (lambda net: net(), {"epoch": 3}, RecipeError, "Did you mean 'epochs'"),
        (lambda net: net(), {"resume": True}, RecipeError, "give `out`"),
        (lambda net: net(), {"name": "a/b"}, RecipeError, "'a/b' cannot"),
        (lambda net: net(), {"early_stopping": 3}, RecipeError, "no validation data"),
        (lambda net: net(), {"schedule": "plateau"}, RecipeError, "watches val_loss"),
        (
            lambda net: net(),
            {"loss": "mse", "label_smoothing": 0.1},
            RecipeError,
            "belongs to the default loss",
        ),
        (lambda net: net(classes=2), {}, DataError, "Labels run from 0 to 2"),
        (lambda net: net(shape=(9, 9, 1)), {}, DataError, "takes inputs of shape"),
        (softmaxed, {}, ModelError, "gives probabilities"),
        (frozen, {}, ModelError, "nothing to train"),
        (lambda net: "resnet50", {}, ModelError, "got builtins.str"),
    ],
)
def test_what_is_refused(net, arrays, make, options, kind, sentence):
    with pytest.raises(kind) as error:
        fit(make(net), arrays, **options)
    assert sentence in str(error.value)


def test_teacher_of_other_classes(net, arrays):
    with pytest.raises(ModelError, match="has 4 classes"):
        kerakd.train_student(net(), arrays, teacher=net(classes=4), **QUIET)


def test_losses_without_a_teacher(net, arrays):
    with pytest.raises(RecipeError, match="no `teacher`"):
        kerakd.train_student(net(), arrays, distillation_losses="kl_divergence")
