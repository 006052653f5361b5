# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # To the phone
#
# A phone runs a `.tflite` file, not a Keras model. This notebook makes such files of a
# distilled student, in four number formats, and asks of each: does it still say the
# same, how large is it, how long does it take? Then the student learns to live with 8
# bits, with its teacher beside it, and at last a file answers a picture on its own.
#
# It takes about two minutes on two CPU cores. Phantoms, not patients.

# %%
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow need not introduce itself.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kerakd

kerakd.training.deterministic(seed=0)
plt.rcParams["figure.dpi"] = 80
scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)

# %% [markdown]
# ## A teacher and a student
#
# In short, as in [01_first_distillation](01_first_distillation.ipynb). Both see 64
# pixels here, so that the same pictures serve both.

# %%
folder = kerakd.data.write_phantom(
    root / "phantom", patients=360, slices_per_patient=3, size=64
)
samples = kerakd.data.load_images(folder, groups=r"phantom-(p\d+)")
samples = kerakd.data.split(samples, seed=0)
train = kerakd.data.batches(
    samples.subset("train"), 64, channels=1, shuffle=True, augment="flip"
)
validation = kerakd.data.batches(samples.subset("validation"), 64, channels=1)
test = kerakd.data.batches(samples.subset("test"), 64, channels=1)

lesson = {"learning_rate": 2e-3, "schedule": "cosine", "verbose": 0}
teacher = kerakd.models.build("plain_cnn", 4, (64, 64, 1))
kerakd.train_teacher(teacher, train, validation, epochs=20, **lesson)
student = kerakd.models.build("plain_cnn", 4, (64, 64, 1), width=0.5)
kerakd.train_student(student, train, validation, teacher=teacher, epochs=20, **lesson)

accuracy = kerakd.evaluate(student, validation)["accuracy"]
print(f"student: {accuracy:.1%} of {len(validation.samples)} validation pictures")

# %% [markdown]
# ## Four files
#
# | mode | weights | arithmetic |
# |---|---|---|
# | `float32` | 32 bits | float |
# | `float16` | 16 bits in the file | float |
# | `dynamic` | 8 bits | 8 bits where it can, scales found while running |
# | `int8` | 8 bits | 8 bits throughout, scales fixed beforehand |
#
# `int8` has to know how large the numbers inside the network become: it is shown at
# least 100 training pictures. No file is taken on trust: each is run and compared with
# Keras before it gets its name.

# %%
exports = {}
for mode in ("float32", "float16", "dynamic", "int8"):
    exports[mode] = kerakd.compress.quantize(
        student,
        mode,
        train,
        path=root / f"student_{mode}.tflite",
        class_names=samples.class_names,
    )

# %% [markdown]
# ## Do they say the same?
#
# `verify` shows Keras and the file the same pictures. Not only the accuracy counts (two
# errors can cancel) but how many single answers changed.

# %%
rows = {}
for mode, export in exports.items():
    report = kerakd.compress.verify(student, export.path, validation)
    rows[mode] = {
        "kB": round(export.bytes / 1e3),
        "largest logit difference": f"{report['max_abs_difference']:.4f}",
        "same answers": f"{report['top1_agreement']:.1%}",
        "accuracy": f"{report['labelled']['accuracy']['litert']:.1%}",
    }
pd.DataFrame(rows).T

# %% [markdown]
# The file is small because the network is; of a small network the graph itself is a
# fair part, so that 8 bits do not give a quarter of the size. What the logits look
# like, side by side:

# %%
keras_logits, labels = kerakd.evaluation.predict_logits(student, validation)
figure, axes = plt.subplots(1, 4, figsize=(12, 3), sharex=True, sharey=True)
for panel, (mode, export) in zip(axes, exports.items(), strict=True):
    file = kerakd.compress.LiteRTModel(export.path)
    logits, _ = kerakd.evaluation.predict_logits(file, validation)
    panel.plot(keras_logits.ravel(), logits.ravel(), ".", markersize=2)
    panel.axline((0, 0), slope=1, color="grey", linewidth=0.8)
    panel.set_title(mode)
    panel.set_xlabel("logit of Keras")
axes[0].set_ylabel("logit of the file")
plt.show()

# %% [markdown]
# ## How long does one picture take?
#
# The files take turns, so that whatever else the machine does falls on all alike. These
# are times of *this* machine and of a tiny network; a phone's have to be measured on
# the phone. `outside` counts the operators that LiteRT's fast kernels (XNNPACK) do not
# take.

# %%
models = {m: kerakd.compress.LiteRTModel(e.path) for m, e in exports.items()}
times = kerakd.compress.interleaved(models, seconds=2.0)
pd.DataFrame(
    {
        mode: {
            "median ms": f"{np.median(spent):.3f}",
            "outside": sum(models[mode].operators()["outside_xnnpack"].values()),
        }
        for mode, spent in times.items()
    }
).T

# %% [markdown]
# ## Learning to live with 8 bits
#
# Where rounding costs answers, the student can learn with the rounding in place
# (quantisation-aware training). The gradient passes straight through the rounding, and
# the teacher goes on teaching. TFMOT does the rounding; it knows Keras 2 alone, so
# kerakd carries the network over and back (`docs/bridge.md`).

# %%
aware = kerakd.compress.quantize_aware(
    student,
    train,
    teacher=teacher,
    epochs=2,
    learning_rate=2e-4,
    path=root / "student_qat.tflite",
    class_names=samples.class_names,
    progress=False,
)
pd.DataFrame(aware.history).round(3)

# %%
candidates = {
    "float32": exports["float32"].path,
    "int8, after training": exports["int8"].path,
    "int8, in training": aware.export.path,
}
for name, path in candidates.items():
    metrics = kerakd.evaluate(kerakd.compress.LiteRTModel(path), validation)
    low, high = metrics["accuracy_interval"]
    print(f"{name:21} {metrics['accuracy']:.1%} ({low:.1%} to {high:.1%})")

# %% [markdown]
# Where int8 after training lost nothing there is nothing to win back:
# quantisation-aware training pays where it hurts (exercise 3). The choice falls on
# validation pictures; the test pictures judge it once:

# %%
chosen = max(
    ("int8, after training", "int8, in training"),
    key=lambda name: kerakd.evaluate(
        kerakd.compress.LiteRTModel(candidates[name]), validation
    )["accuracy"],
)
metrics = kerakd.evaluate(kerakd.compress.LiteRTModel(candidates[chosen]), test)
before = kerakd.evaluate(student, test)
print(f"chosen: {chosen}")
print(f"test: {metrics['accuracy']:.1%}, the float student {before['accuracy']:.1%}")

# %% [markdown]
# ## A file that answers on its own
#
# The file knows its classes and how a picture is prepared: it is a zip archive, too.

# %%
from kerakd.predict import predict_images

path = candidates[chosen]
told = kerakd.compress.read_metadata(path)
print("classes:", ", ".join(told["class_names"]))
print("preprocessing:", told["preprocessing"])

# %%
shown = samples.subset("test")
places = [0, len(shown) // 3, 2 * len(shown) // 3, len(shown) - 1]
pictures = [folder / shown.table["path"].iloc[k] for k in places]
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2))
answers = predict_images(path, pictures)
for panel, picture, answer in zip(axes, pictures, answers, strict=True):
    panel.imshow(plt.imread(picture), cmap="gray")
    name, sure = next(iter(answer.probabilities.items()))
    panel.set_title(f"says {name}, {sure:.0%}")
    panel.set_xlabel(f"is {picture.parent.name}")
    panel.set_xticks([])
    panel.set_yticks([])
plt.show()

# %% [markdown]
# On the command line: `kerakd predict student_int8.tflite scan.png`. How to call the
# file from Kotlin, Swift or Python without kerakd stands in `docs/mobile.md`.
#
# ## Exercises
#
# 1. **Too few pictures.** Calibrate with 100 and with 400 pictures
#    (`calibration_images`). How far do the logits move?
# 2. **Another network.** Take `kerakd.models.build("mobilenet_v3_small", 4, (64, 64,
#    3))` and RGB pictures. Which operators are outside XNNPACK, and what does the
#    report say about it?
# 3. **Where it hurts.** Make the student narrower (`width=0.25`) and compare int8 after
#    and in training again, with three seeds.
# 4. **Who teaches.** Leave out `teacher` in `quantize_aware`.
# 5. **Zeros.** `kerakd.compress.prune(student, train, sparsity=0.8, teacher=teacher,
#    path=...)`: what becomes smaller, the file or its zip?

# %%
scratch.cleanup()
