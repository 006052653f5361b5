"""Layer by layer: what crosses, with which options, and what is refused."""

import keras
import numpy as np
import pytest

from kerakd.compress.bridge import to_tf_keras
from kerakd.errors import ModelError
from tests.compress.bridge.networks import pixels, relative

L = keras.layers


def model_of(*layers, shape=(8, 8, 4)):
    x = image = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    model = keras.Model(image, x)
    random = np.random.default_rng(3)
    for variable in model.weights:
        if "seed" not in variable.path:
            variable.assign(random.uniform(0.2, 0.8, variable.shape))
    return model


def crosses(model):
    twin = to_tf_keras(model)
    x = pixels(model.input_shape[1:])
    assert relative(model(x, training=False), twin(x, training=False)) <= 1e-5
    return twin


LAYERS = {
    "strided convolution": lambda: L.Conv2D(3, (3, 5), (2, 1), padding="same"),
    "dilated convolution": lambda: L.Conv2D(3, 3, dilation_rate=2, use_bias=False),
    "grouped convolution": lambda: L.Conv2D(4, 3, groups=2),
    "depthwise": lambda: L.DepthwiseConv2D(3, 2, depth_multiplier=2, padding="same"),
    "separable": lambda: L.SeparableConv2D(5, 3, 2, "same", depth_multiplier=2),
    "separable, activated": lambda: L.SeparableConv2D(5, 3, activation="relu"),
    "transposed": lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same"),
    "transposed, padded": lambda: L.Conv2DTranspose(3, 3, 2, "same", output_padding=1),
    "dense": lambda: L.Dense(3, activation="tanh"),
    "batch norm": lambda: L.BatchNormalization(epsilon=0.1, scale=False),
    "layer norm": lambda: L.LayerNormalization(epsilon=0.1),
    "group norm": lambda: L.GroupNormalization(2),
    "normalization": lambda: L.Normalization(mean=[1, 2, 3, 4], variance=[4, 4, 9, 1]),
    "rescaling": lambda: L.Rescaling([0.1, 0.2, 0.3, 0.4], offset=[-1, -2, -3, -4]),
    "rescaling by one": lambda: L.Rescaling(1.0, offset=-7.0),
    "relu, bent": lambda: L.ReLU(max_value=9.0, negative_slope=0.1, threshold=2.0),
    "elu": lambda: L.ELU(0.7),
    "softmax": lambda: L.Softmax(axis=1),
    "max pooling": lambda: L.MaxPooling2D(3, 2, padding="same"),
    "average pooling": lambda: L.AveragePooling2D(3, 1, padding="same"),
    "global average": lambda: L.GlobalAveragePooling2D(keepdims=True),
    "global maximum": lambda: L.GlobalMaxPooling2D(),
    "padding": lambda: L.ZeroPadding2D(((1, 2), (3, 0))),
    "cropping": lambda: L.Cropping2D(((1, 2), (0, 3))),
    "upsampling": lambda: L.UpSampling2D((2, 3), interpolation="bilinear"),
    "resizing": lambda: L.Resizing(5, 11),
    "flatten": lambda: L.Flatten(),
    "reshape": lambda: L.Reshape((16, 4, -1)),
    "permute": lambda: L.Permute((2, 3, 1)),
    "identity": lambda: L.Identity(),
    "dropout": lambda: L.Dropout(0.9, seed=1),
    "spatial dropout": lambda: L.SpatialDropout2D(0.9),
    "noise": lambda: L.GaussianNoise(0.9),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_crosses(name):
    crosses(model_of(LAYERS[name]()))


# Shifted and scaled, so that every branch of an activation is taken.
@pytest.mark.parametrize(
    "activation",
    ["relu", "relu6", "leaky_relu", "silu", "hard_silu", "hard_sigmoid", "sigmoid",
     "tanh", "elu", "selu", "softplus", "softsign", "gelu", "softmax"],
)  # fmt: skip
def test_an_activation_crosses_as_a_layer_or_inside_of_one(activation):
    spread = L.Rescaling(1 / 16, offset=-8.0)
    crosses(model_of(spread, L.Activation(activation), L.Conv2D(2, 1)))
    image = keras.Input((8, 8, 4))
    inner = L.Conv2D(3, 1, activation=activation)
    model = keras.Model(image, inner(spread(image)))
    crosses(model)


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.3])
def test_the_slope_of_a_leaky_relu_crosses(slope):
    twin = crosses(model_of(L.Rescaling(1, offset=-128.0), L.LeakyReLU(slope)))
    assert float(twin.layers[-1].alpha) == pytest.approx(slope)


def test_prelu_crosses_with_its_shared_axes():
    crosses(model_of(L.Rescaling(1, offset=-128.0), L.PReLU(shared_axes=[1, 2])))


def test_operations_with_constants_cross():
    image = keras.Input((8, 8, 4))
    x = keras.ops.relu6(image * (1 / 32) + 3.0) / 6.0
    x = 1.0 - x * np.array([1.0, 2.0, 3.0, 4.0], "float32")
    x = keras.ops.silu(x - 0.5)
    y = keras.ops.mean(x, axis=(1, 2), keepdims=True)
    x = keras.ops.concatenate([x * y, x + y, keras.ops.maximum(x, 0.0)], axis=-1)
    crosses(keras.Model(image, keras.ops.reshape(x, (-1, 4, 16, 12))))


def test_a_layer_that_is_called_twice_keeps_one_set_of_weights():
    image = keras.Input((8, 8, 4))
    shared, act = L.Conv2D(4, 3, padding="same"), L.ReLU()
    model = keras.Model(image, act(shared(act(shared(image)))))
    assert crosses(model).count_params() == model.count_params()


def test_several_inputs_and_outputs_keep_their_structure():
    images = {
        "a": keras.Input((8, 8, 4), name="a"),
        "b": keras.Input((8, 8, 4), name="b"),
    }
    x = L.Add()([images["a"], images["b"]])
    model = keras.Model(images, {"map": L.Conv2D(2, 1)(x), "mean": L.Flatten()(x)})
    given = {"a": pixels((8, 8, 4)), "b": pixels((8, 8, 4), seed=2)}
    expected, found = model(given), to_tf_keras(model)(given)
    assert set(found) == {"map", "mean"}
    for key in expected:
        assert relative(expected[key], found[key]) <= 1e-5


def test_a_penalty_on_weights_is_the_same_penalty():
    penalty = keras.regularizers.L2(0.1)
    model = model_of(L.Conv2D(3, 3, kernel_regularizer=penalty), L.Flatten(), L.Dense(
        2, bias_constraint="max_norm", kernel_regularizer=keras.regularizers.L1(0.2)
    ))  # fmt: skip
    twin = crosses(model)
    ours, theirs = float(sum(model.losses)), float(sum(twin.losses))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert twin.layers[-1].bias_constraint is not None


@pytest.mark.parametrize("training", [True, False])
def test_training_said_in_a_call_counts_as_much_as_it_does_in_keras(training):
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, L.BatchNormalization()(image, training=not training))
    twin = to_tf_keras(model)
    x = pixels((8, 8, 4))
    assert relative(model(x, training=training), twin(x, training=training)) <= 1e-4


class Scaled(L.Layer):
    def call(self, x):
        return 2 * x


REFUSED = {
    "a class of your own": (lambda: Scaled(name="odd"), "'odd'.*class of your own"),
    "augmentation": (lambda: L.RandomFlip(name="odd"), "'odd'.*RandomFlip"),
    "lambda": (lambda: L.Lambda(lambda x: x, name="odd"), "'odd'.*Lambda"),
    "renorm": (
        lambda: L.BatchNormalization(renorm=True, name="odd"),
        "'odd'.*renorm=True",
    ),
    "an activation": (
        lambda: L.Conv2D(3, 1, activation="mish", name="odd"),
        "'odd'.*activation='mish'",
    ),
    "channels first": (
        lambda: L.MaxPooling2D(2, data_format="channels_first", name="odd"),
        "'odd'.*channels_first",
    ),
    "rms": (
        lambda: L.LayerNormalization(rms_scaling=True, name="odd"),
        "'odd'.*rms_scaling",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_cross_is_named(name):
    make, message = REFUSED[name]
    with pytest.raises(ModelError, match=message):
        to_tf_keras(model_of(make()))


def test_a_regulariser_of_your_own_is_named():
    @keras.saving.register_keras_serializable("tests")
    class Mine(keras.regularizers.Regularizer):
        def __call__(self, x):
            return keras.ops.sum(x)

        def get_config(self):
            return {}

    model = model_of(L.Conv2D(3, 1, kernel_regularizer=Mine(), name="odd"))
    with pytest.raises(ModelError, match=r"'odd'.*kernel_regularizer='Mine'"):
        to_tf_keras(model)


def test_an_operation_without_an_equal_is_named():
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, keras.ops.exp(image))
    with pytest.raises(ModelError, match=r"operation 'exp'.*Exp"):
        to_tf_keras(model)
    model = keras.Model(image, image / (image + 1.0))
    with pytest.raises(ModelError, match="quotient of two tensors"):
        to_tf_keras(model)
