# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Segmentation: from volumes to a mask, and a small network in between
#
# A case of BraTS is a folder with four MRI volumes of one head and, for training, a
# volume of labels. This notebook goes the whole way:
#
# volumes → checked cases → slices → two U-Nets, one taught by the other → Dice in 3-D →
# a NIfTI mask that lies over the case it was made of.
#
# It takes two to three minutes on two CPU cores. The heads are **phantoms** drawn by a
# program in the naming of BraTS 2021; with real data only the folder changes. Nothing
# here says anything about patients.

# %%
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # TensorFlow need not introduce itself.

# %%
import tempfile
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import nibabel
import numpy as np

import kerakd
from kerakd.data.phantom import write_phantom_volumes
from kerakd.data.volumes import SliceBatches, SliceStore, normalise, read_case

kerakd.training.deterministic(seed=0)
plt.rcParams["figure.dpi"] = 80
scratch = tempfile.TemporaryDirectory()
root = Path(scratch.name)

# %% [markdown]
# ## Cases
#
# Sixteen patients. `load_volumes` reads each case once and says in a sentence what is
# wrong with one that cannot be used: shapes that differ, a label that the scheme does
# not know, a gzip file that is cut off.

# %%
folder = write_phantom_volumes(
    root / "cases", patients=16, shape=(64, 64, 40), spacing=3.0, seed=0
)
sorted(file.name for file in (folder / "phantom-p0000").iterdir())

# %%
volumes = kerakd.data.load_volumes(folder)
volumes = volumes.split(validation=0.2, test=0.25, seed=0)
print("channels:", ", ".join(volumes.modalities))
print("labels:  ", volumes.scheme.name, "-", volumes.scheme.about)
volumes.samples.table.groupby("split").size()

# %% [markdown]
# It is **patients** that are divided, never slices: neighbouring slices of one head are
# almost the same picture, and a network that has seen one knows the other.
#
# One case, its channels and its tumour. Intensities of MRI have no unit, so each volume
# is brought to mean 0 and standard deviation 1 inside its brain.

# %%
case = read_case(volumes.cases[0], volumes.modalities, volumes.scheme)
images, brain = normalise(case)
height = int(np.argmax((case.classes > 0).sum(axis=(1, 2))))

figure, axes = plt.subplots(1, 4, figsize=(11, 3))
for k, (panel, name) in enumerate(zip(axes[:3], volumes.modalities, strict=True)):
    panel.imshow(images[height, ..., k], cmap="gray")
    panel.set_title(name)
axes[3].imshow(case.classes[height], cmap="viridis", vmin=0, vmax=3)
axes[3].set_title("core, oedema, enhancing")
for panel in axes:
    panel.axis("off")
plt.show()

# %% [markdown]
# ## Slices
#
# A store holds all slices, normalised and resized once, in a file that is mapped rather
# than loaded. The target here is *whole tumour* against the rest. An epoch sees every
# slice with tumour and a third of the others, drawn anew each time.

# %%
store = SliceStore.build(volumes, 64, "whole_tumour", cache_dir=root / "store")
train = SliceBatches(store, "train", shuffle=True, augment="slices", empty_rate=0.3)
validation = SliceBatches(store, "validation")
print(f"{len(train.samples)} slices, {train.steps_per_epoch} steps an epoch")

# %% [markdown]
# One draw of the augmentation moves picture and mask alike. The same slice in three
# epochs:

# %%
figure, axes = plt.subplots(1, 3, figsize=(8, 2.8))
watched = int(np.argmax(store.masks[store.rows("train")].sum(axis=(1, 2))))
for epoch, panel in enumerate(axes):
    at = int(np.flatnonzero(train.order(epoch) == watched)[0])
    batch, inside = divmod(at, train.batch_size)
    step = epoch * train.steps_per_epoch + batch
    pictures, masks = next(iter(train.dataset(epochs=epoch + 1, start_step=step)))
    panel.imshow(pictures[inside, ..., 0], cmap="gray")
    panel.contour(masks[inside], levels=[0.5], colors="orange")
    panel.set_title(f"epoch {epoch + 1}")
    panel.axis("off")
plt.show()

# %% [markdown]
# ## Two U-Nets
#
# The student has separable convolutions and half the filters. (At their usual size the
# two are those of `experiments/`: 8.6 million and 0.6 million parameters; here they are
# smaller, so that the notebook does not take an hour.)

# %%
SHAPE = (64, 64, 3)
teacher = kerakd.models.build(
    "unet_teacher", 2, SHAPE, filters=[16, 32, 64, 96], batch_norm=True, dropout=0.2
)


def new_student():
    keras.utils.set_random_seed(1)
    return kerakd.models.build("unet_student", 2, SHAPE, filters=[8, 16, 24, 32])


student, alone = new_student(), new_student()
for name, network in {"teacher": teacher, "student": student}.items():
    work = kerakd.models.multiply_adds(network) / 1e6
    print(f"{name}: {network.count_params():,} parameters, {work:.0f} M multiply-adds")

# %% [markdown]
# The loss on the labels is Dice plus crossentropy: tumours cover few pixels, and
# crossentropy alone is content with calling everything background.

# %%
lesson = {
    "loss": kerakd.losses.DiceCrossentropy(),
    "metrics": [],
    "schedule": "cosine",
    "verbose": 0,
}
histories = {}
histories["teacher"] = kerakd.train_teacher(
    teacher, train, validation, epochs=12, learning_rate=2e-3, **lesson
).history

# %% [markdown]
# Two losses teach the student: `pixelwise_kl` compares the classes at every pixel,
# `channelwise_kl` compares *where* in the picture each class lies, so that the large
# background does not drown the small tumour.

# %%
histories["baseline"] = kerakd.train_student(
    alone, train, validation, epochs=12, learning_rate=4e-3, **lesson
).history
histories["student"] = kerakd.train_student(
    student,
    train,
    validation,
    teacher=teacher,
    distillation_losses=[
        kerakd.losses.PixelwiseKL(temperature=2.0),
        kerakd.losses.ChannelwiseKL(temperature=4.0),
    ],
    distillation_loss_weights=[1.0, 0.1],
    student_loss_weight=0.5,
    epochs=12,
    learning_rate=4e-3,
    **lesson,
).history

# %%
figure, panel = plt.subplots(figsize=(6, 3))
for name, history in histories.items():
    panel.plot(history["val_loss"], label=name)
panel.set_xlabel("epoch")
panel.set_ylabel("loss on the labels, validation")
panel.legend()
plt.show()

# %% [markdown]
# ## Dice in 3-D
#
# A patient has a tumour, not a stack of pictures: each test patient is put together
# from his slices on the grid of his own files, and compared as a volume. Dice alone
# hides a false island far away, so the 95th percentile of the surface distance (HD95,
# in millimetres) stands beside it.

# %%
from kerakd.evaluation.segmentation import evaluate_case, summarise
from kerakd.segmenter import Segmenter, keras_runner

patients = volumes.subset("test")
networks = {"teacher": teacher, "student": student, "baseline": alone}
segmenters = {
    name: Segmenter(keras_runner(network), SHAPE, volumes.modalities, "whole_tumour")
    for name, network in networks.items()
}
cases = {name: {} for name in networks}
for case in patients.cases:
    read = read_case(case, volumes.modalities, volumes.scheme)
    for name, segmenter in segmenters.items():
        cases[name][case.id] = evaluate_case(
            read.classes, segmenter.classes(read), read.spacing, ["WT"]
        )

for name, found in cases.items():
    whole = summarise(found)["WT"]
    dice, distance = whole["dice"], whole["hd95"]
    low, high = dice["interval"]
    print(
        f"{name:9} Dice {dice['mean']:.3f} ({low:.3f} to {high:.3f}), "
        f"HD95 {distance['mean']:.1f} mm"
    )

# %% [markdown]
# Four patients: the intervals are as wide as that deserves. What a metric is where a
# mask is empty is a convention (here that of BraTS 2023); `docs/segmentation.md` lists
# them.
#
# ## A case in, a NIfTI file out
#
# This is what `kerakd predict student.keras CASE -o mask.nii.gz` does. The mask has the
# affine and the orientation of the case, so any viewer lays one over the other.

# %%
from kerakd.predict_case import predict_case

student.save(root / "student.keras")
answer = predict_case(
    root / "student.keras",
    patients.cases[0].path,
    root / "mask.nii.gz",
    modalities=volumes.modalities,
    overlay=root / "overlay.png",
)
written = nibabel.load(root / "mask.nii.gz")
scan = nibabel.load(next(patients.cases[0].path.glob("*_flair.nii.gz")))
print("shape", written.shape)
print("affine as that of the scan:", bool((written.affine == scan.affine).all()))
print(f"{answer.volumes_ml['WT']:.1f} ml, Dice {answer.metrics['WT']['dice']:.3f}")

# %%
figure, panel = plt.subplots(figsize=(9, 6))
panel.imshow(plt.imread(root / "overlay.png"))
panel.axis("off")
plt.show()

# %% [markdown]
# ## Exercises
#
# 1. **What teaches.** Leave out `channelwise_kl`, then `pixelwise_kl`. Choose by the
#    validation patients.
# 2. **Features.** Add `kerakd.losses.AttentionTransfer("bottleneck", "bottleneck")`
#    with a weight of 500.
# 3. **Empty slices.** Set `empty_rate` to 0 and to 1. What happens to HD95, and why?
# 4. **Parts of the tumour.** Build the store with `"subregions"` as target and networks
#    of four classes; report WT, TC and ET.
# 5. **Slices torn apart.** Divide *slices* at random instead of patients (write the
#    split yourself). How much better do the figures look, and what are they worth?
# 6. **Real data.** `kerakd run experiments/brats_lgg_cpu.yaml --data DATA` does all of
#    this on 75 patients of TCGA-LGG, with three seeds.

# %%
scratch.cleanup()
