"""A task that is learned in seconds, and small networks for it."""

import numpy as np

SIZE, CLASSES = 24, 4


def quadrants(count=192, seed=0):
    """Noise with one bright quarter, which is the class: `(images, labels)`."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    images = random.uniform(0, 120, (count, SIZE, SIZE, 3))
    half = SIZE // 2
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half :, column * half :][:half, :half] += 110
    return images.astype(np.float32), labels


def classifier(seed=0, name="tiny"):
    """With all that MobileNetV3 has: hard-swish, squeeze-and-excitation, a sum."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="normalize")(image)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(momentum=0.8, name="stem_bn")(x)
    x = before = layers.Activation("hard_silu", name="stem_swish")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")(x)
    x = layers.BatchNormalization(momentum=0.8, name="depth_bn")(x)
    x = layers.ReLU(name="depth_relu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Conv2D(8, 1, name="excite")(gate)
    gate = layers.ReLU(6.0, name="gate")(gate + 3.0) * (1 / 6)
    x = layers.Multiply(name="scaled")([x, gate])
    x = layers.Add(name="sum")([before, x])
    x = layers.Conv2D(16, 3, 2, "same", activation="relu", name="wide")(x)
    x = layers.MaxPooling2D(3, name="pool")(x)
    x = layers.Dropout(0.1, seed=1, name="dropout")(layers.Flatten(name="flat")(x))
    logits = layers.Dense(CLASSES, name="logits")(x)
    return keras.Model(image, logits, name=name)


def trained(seed=0, name="tiny"):
    """`classifier`, which has learned the task."""
    import keras

    model = classifier(seed, name)
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(*quadrants(), batch_size=16, epochs=4, verbose=0)
    return model


def accuracy(logits, labels):
    return float((np.asarray(logits).argmax(-1) == labels).mean())


def divergence(teacher, student, images):
    """Mean KL divergence of a student's logits from a teacher's."""
    import kerakd

    given = teacher(images, training=False), student(images, training=False)
    return float(kerakd.losses.kl_divergence(*given, temperature=1.0))
