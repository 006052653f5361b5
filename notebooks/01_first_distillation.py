# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first distillation
#
# A large network has learned to tell four kinds of picture apart. A small one is to
# learn the same, and is told more than the right answer: it is told what the large one
# thinks of *every* class. This notebook shows
#
# 1. what a temperature does to those thoughts,
# 2. how a teacher and a student are trained with `model.fit`,
# 3. whether the teacher helped, and how sure one can be of that,
# 4. where the two networks look.
#
# It takes two or three minutes on two CPU cores. The pictures are **phantoms**: heads
# with and without tumours, drawn by a program. Nothing that follows says anything about
# patients. Exercises are at the end.

# %%
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow need not introduce itself.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import kerakd

kerakd.training.deterministic(seed=0)  # The same notebook gives the same numbers.
plt.rcParams["figure.dpi"] = 80

# %% [markdown]
# ## The pictures
#
# 360 made-up patients, three slices each. A patient's slices resemble one another, so a
# patient belongs to one side only: training, validation or test. `groups` says which
# part of a file's name is the patient.

# %%
scratch = tempfile.TemporaryDirectory()
folder = kerakd.data.write_phantom(
    Path(scratch.name) / "phantom", patients=360, slices_per_patient=3, size=96
)
samples = kerakd.data.load_images(folder, groups=r"phantom-(p\d+)")
samples = kerakd.data.split(samples, validation=0.2, seed=0)
samples

# %%
table = samples.table
figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
for panel, name in zip(axes, samples.class_names, strict=True):
    first = table[table["label"] == name]["path"].iloc[0]
    panel.imshow(plt.imread(folder / first), cmap="gray")
    panel.set_title(name)
    panel.axis("off")
plt.show()

# %% [markdown]
# A source of batches gives each network the size that it wants: 96 pixels for the
# teacher, 64 for the student, of one and the same flipped picture.

# %%
SIZES = {"teacher": (96, 1), "student": (64, 1)}
train = kerakd.data.batches(
    samples.subset("train"), sizes=SIZES, shuffle=True, augment="flip"
)
validation = kerakd.data.batches(samples.subset("validation"), sizes=SIZES)
test = kerakd.data.batches(samples.subset("test"), sizes=SIZES)

# %% [markdown]
# ## The teacher
#
# Five blocks of convolutions, trained on the labels. All networks in kerakd end in
# **logits**, the numbers before the softmax: distillation needs them.

# %%
teacher = kerakd.models.build("plain_cnn", 4, (96, 96, 1))
histories = {}
histories["teacher"] = kerakd.train_teacher(
    teacher,
    train,
    validation,
    epochs=16,
    learning_rate=2e-3,
    schedule="cosine",
    verbose=0,
).history
kerakd.report.plot_history(histories)

# %% [markdown]
# ## What temperature does
#
# Take one picture of which the teacher is nearly sure. Its softmax says little more
# than the label does. Divide the logits by a temperature $T$ first, and what it thinks
# of the *other* classes comes to light: which of them is near, and which is out of the
# question.

# %%
logits, labels = kerakd.evaluation.predict_logits(teacher, validation, key="teacher")
sorted_logits = np.sort(logits, axis=1)
margin = sorted_logits[:, -1] - sorted_logits[:, -2]
right = logits.argmax(axis=1) == labels
# A right answer of which the teacher is sure, but not beyond all others.
which = np.flatnonzero(right)[np.argsort(margin[right])[2 * right.sum() // 3]]


def softened(z, temperature):
    return np.asarray(keras.ops.softmax(z / temperature))


figure, axes = plt.subplots(1, 5, figsize=(12, 2.6), sharey=True)
for panel, temperature in zip(axes, (1, 2, 4, 8, 100), strict=True):
    panel.bar(samples.class_names, softened(logits[which], temperature))
    panel.set_title(f"T = {temperature}")
    panel.tick_params(axis="x", rotation=60)
axes[0].set_ylabel("probability")
axes[0].set_ylim(0, 1)
plt.show()

# %% [markdown]
# At a very high temperature all classes are alike and nothing is left to learn. How
# much is told in between? The entropy of the softened answers, from 0 (the label alone)
# to $\log_2 4 = 2$ bits (nothing at all):

# %%
temperatures = np.geomspace(0.5, 50, 40)
entropy = []
for temperature in temperatures:
    p = softened(logits, temperature)
    entropy.append(-(p * np.log2(p + 1e-12)).sum(axis=1).mean())

figure, panel = plt.subplots(figsize=(6, 3))
panel.semilogx(temperatures, entropy)
panel.axvline(4, color="grey", linestyle=":")
panel.set_xlabel("temperature")
panel.set_ylabel("mean entropy (bits)")
panel.set_title("Validation pictures; dotted: T = 4, used below")
plt.show()

# %% [markdown]
# ### Why the loss carries a factor T²
#
# Softer answers differ less, so the gradient of their Kullback-Leibler divergence
# becomes smaller with $1/T^2$. kerakd multiplies by $T^2$, so that turning the
# temperature does not silently turn down the teacher. Compare the length of the
# gradient with and without:

# %%
import tensorflow as tf

drawn = np.random.default_rng(0).normal(size=logits.shape)
student_logits = tf.constant(drawn, "float32")
with_factor, without = [], []
for temperature in temperatures:
    with tf.GradientTape() as tape:
        tape.watch(student_logits)
        loss = kerakd.losses.kl_divergence(logits, student_logits, temperature)
    length = float(tf.norm(tape.gradient(loss, student_logits)))
    with_factor.append(length)
    without.append(length / temperature**2)

figure, panel = plt.subplots(figsize=(6, 3))
panel.loglog(temperatures, with_factor, label="T² · KL, as in kerakd.losses")
panel.loglog(temperatures, without, label="KL alone")
panel.set_xlabel("temperature")
panel.set_ylabel("length of the gradient")
panel.legend()
plt.show()

# %% [markdown]
# ## The student, without and with a teacher
#
# A quarter of the parameters, and pictures of less than half the pixels. First it
# learns from labels alone: this is the baseline without which nobody can say that
# distillation helped. Both students start from the same weights and see the same
# pictures in the same order.


# %%
def new_student():
    keras.utils.set_random_seed(1)
    return kerakd.models.build("plain_cnn", 4, (64, 64, 1), width=0.5)


EPOCHS = 18
lesson = {"epochs": EPOCHS, "learning_rate": 2e-3, "schedule": "cosine", "verbose": 0}

alone = new_student()
histories["baseline"] = kerakd.train_student(alone, train, validation, **lesson).history

for name, network in {"teacher": teacher, "student": alone}.items():
    work = kerakd.models.multiply_adds(network) / 1e6
    print(f"{name}: {network.count_params():,} parameters, {work:.1f} M multiply-adds")

# %% [markdown]
# Now with the teacher, and in the way that Keras users know: a `Distiller` is a
# `keras.Model` that holds both, and its `fit` trains the student. The loss is
#
# $$0.3 \cdot \text{crossentropy}(y, s) + 0.7 \cdot T^2\, \mathrm{KL}\big(
# \mathrm{softmax}(t/T) \,\|\, \mathrm{softmax}(s/T)\big).$$

# %%
distilled = new_student()
distiller = kerakd.Distiller(
    teacher,
    distilled,
    kerakd.losses.KLDivergence(temperature=4.0),
    student_loss_weight=0.3,
)
steps = EPOCHS * train.steps_per_epoch
falling = keras.optimizers.schedules.CosineDecay(2e-3, steps)
distiller.compile(
    optimizer=keras.optimizers.Adam(falling),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = distiller.fit(
    train.dataset(epochs=EPOCHS),
    epochs=EPOCHS,
    steps_per_epoch=train.steps_per_epoch,
    validation_data=validation.dataset(),
    verbose=0,
)
histories["student"] = history.history
sorted(history.history)

# %% [markdown]
# `student_loss` is the part that compares with the labels, `distillation_loss` the part
# that compares with the teacher. (`kerakd.train_student(student, ..., teacher=teacher)`
# is the short way to the same, with checkpoints and exact resume.)

# %%
kerakd.report.plot_history(histories)

# %% [markdown]
# ## Did it help?
#
# The test pictures are looked at now, once. Intervals come from drawing whole
# *patients* anew, since three slices of one patient are not three independent
# observations.

# %%
chosen = samples.subset("test")
networks = {"teacher": teacher, "student": distilled, "baseline": alone}
said = {}
for name, network in networks.items():
    key = "teacher" if name == "teacher" else "student"
    said[name], truth = kerakd.evaluation.predict_logits(network, test, key=key)
    metrics = kerakd.evaluation.classification_metrics(
        truth, said[name], samples.class_names
    )
    interval = kerakd.evaluation.bootstrap_intervals(truth, said[name], chosen.groups)
    low, high = interval["accuracy"]
    print(f"{name:9} {metrics['accuracy']:.1%} ({low:.1%} to {high:.1%})")

# %%
found = kerakd.evaluation.compare(
    truth, said["student"], said["baseline"], chosen.groups
)
gain = 100 * found["accuracy"]["difference"]
low, high = (100 * bound for bound in found["accuracy"]["interval"])
print(f"with a teacher - without: {gain:+.1f} points ({low:+.1f} to {high:+.1f})")
print("0 is", "inside" if low <= 0 <= high else "outside", "of this interval")
{key: found["mcnemar"][key] for key in ("only_a_right", "only_b_right")}

# %% [markdown]
# One seed and one test set of some hundred pictures: read the interval, not the first
# number. An interval that includes 0 is no proof that distillation does nothing, and a
# good one for a single seed is no proof that it always helps (exercise 4).
#
# Beyond being right, does the student *think* like its teacher?

# %%
for name in ("student", "baseline"):
    likeness = kerakd.evaluation.fidelity(truth, said["teacher"], said[name])
    print(
        f"{name}: names the teacher's class in {likeness['top1_agreement']:.1%}; "
        f"KL from the teacher {likeness['mean_kl']:.2f} nats"
    )

# %% [markdown]
# ## Where they look
#
# Both networks on the same pictures: what they answer, what they think at $T = 4$, and
# which part of the picture speaks for the true class (Grad-CAM).

# %%
agree = said["teacher"].argmax(1) == said["student"].argmax(1)
two = [int(np.flatnonzero(agree)[0]), int(np.flatnonzero(~agree)[0])]
kerakd.visualize_classification_kd(
    teacher, distilled, test, idx=two, methods=["gradcam"]
)

# %% [markdown]
# ## Exercises
#
# 1. **Temperature.** Train the student at $T$ = 1, 2, 8 and 20. Choose by the
#    *validation* accuracy. Why is the test set not for choosing?
# 2. **No T².** Write a loss of your own without the factor (`docs/own-loss.md` shows
#    how) and train at $T = 8$. What happens, and which `student_loss_weight` makes up
#    for it?
# 3. **The teacher alone.** Set `student_loss_weight=0.0`: the student never sees a
#    label. How close does it come? Where could that be of use?
# 4. **Is it luck?** Repeat both students with three other seeds in `new_student` and
#    give mean and standard deviation of the gain.
# 5. **A bad teacher.** Give the Distiller a teacher that was trained for one epoch.
#    When does a teacher do harm?
# 6. **Little data.** Keep a quarter of the training patients (of `samples.groups`).
#    Does the teacher help more or less?
# 7. **Another method.** Exchange the loss for `kerakd.losses.DKD()` or
#    `kerakd.losses.DIST()`; `docs/methods.md` says what they compare.
#
# On: [02_brats_segmentation](02_brats_segmentation.ipynb) does the same for volumes,
# [03_to_the_phone](03_to_the_phone.ipynb) makes a file of it, and
# [04_can_you_trust_it](04_can_you_trust_it.ipynb) asks what such figures are worth.
