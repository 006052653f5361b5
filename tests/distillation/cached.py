"""Pictures, teachers and trainings for the tests of the cache."""

import keras

import kerakd
from kerakd.data import ImageBatches
from kerakd.losses import KLDivergence
from tests.distillation.tiny import crossentropy, make_model


def batches(samples, size=16, views=2, **options):
    return ImageBatches(
        samples,
        size,
        **{
            "channels": 1,
            "batch_size": 8,
            "shuffle": True,
            "seed": 5,
            "augment": {"horizontal_flip": True, "rotation": 15.0},
            "views": views,
            **options,
        },
    )


def make_teacher(seed=1):
    inputs = keras.Input((16, 16, 1))
    return keras.Model(
        inputs,
        make_model(8, seed=seed, size=16)(keras.layers.Rescaling(1 / 255)(inputs)),
    )


def train(student, teacher, data, epochs=4, losses=None, **compile):
    distiller = kerakd.Distiller(teacher, student, losses or KLDivergence(2.0))
    distiller.compile(keras.optimizers.Adam(1e-2), crossentropy(), **compile)
    return distiller.fit(
        data.dataset(epochs=epochs),
        epochs=epochs,
        steps_per_epoch=data.steps_per_epoch,
        verbose=0,
    )


def make_student():
    return make_model(4, seed=2, size=16, dropout=0.2)
