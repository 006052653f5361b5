"""The phantom: made-up heads that are what they are said to be."""

import dataclasses
import json
from collections import Counter, defaultdict

import nibabel
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerakd.data.images import load_images
from kerakd.data.phantom import (
    KINDS,
    MODALITIES,
    PATIENT_PATTERN,
    PLANES,
    phantom_patient,
    phantom_slices,
    phantom_volume,
    write_phantom,
    write_phantom_volumes,
)
from kerakd.data.phantom.signal import SIGNAL
from kerakd.data.phantom.slices import VERSION, draw_patients
from kerakd.data.phantom.tumours import Tumour
from kerakd.errors import DataError, KerakdError

TUMOURS = ("glioma", "meningioma", "pituitary")
SMALL = {"patients": 8, "slices_per_patient": 2, "size": 48, "seed": 3}


def clean(patient):
    """The patient under a scanner without noise, blur, bias or variation."""
    scanner = dataclasses.replace(
        patient.scanner,
        tissue=dict.fromkeys(SIGNAL, 1.0),
        contrast=1.0,
        bias=np.zeros(6),
        noise=0.0,
        blur=1e-3,
        grain=0.0,
    )
    return dataclasses.replace(patient, scanner=scanner)


def plane_through(patient, size=112):
    """An axial grid of points through the middle of the patient's tumour."""
    pixel = patient.view / size
    along = (np.arange(size, dtype=np.float32) + 0.5 - size / 2) * pixel
    x, y = np.meshgrid(-along, -along)
    z = np.full(x.size, patient.middle(), np.float32)
    return np.stack([x.ravel(), y.ravel(), z]), (size, size), pixel


def signal_at(patient, places, modality):
    """Signal at points of the anatomy's frame, in pixels of half a millimetre."""
    points = patient.in_scanner(np.float32(places).T)
    shape = (1, points.shape[1])
    images, _ = clean(patient).render(points, shape, 0.5, [modality], "test")
    return images[0, 0]


def tumour_places(patient, names):
    """Places of the labelled voxels in the anatomy's frame, shape `(3, n)`."""
    grid, shape, pixel = plane_through(patient)
    _, labels = patient.render(grid, shape, pixel, ["t1"], 0)
    return patient.in_head(grid[:, np.isin(labels.ravel(), names)])


class Unpainted(Tumour):
    """A tumour that pushes tissue away and is not there itself."""

    def paint(self, points, surface, pixel, tissues):
        return np.zeros(points.shape[1], np.uint8)


def without_tumour(patient):
    fields = {
        f.name: getattr(patient.tumour, f.name) for f in dataclasses.fields(Tumour)
    }
    return dataclasses.replace(patient, tumour=Unpainted(**fields))


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Determinism


def test_same_seed_gives_the_same_slices_and_another_seed_others():
    first, again = (phantom_slices(8, size=48, seed=5) for _ in range(2))
    other = phantom_slices(8, size=48, seed=6)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert not np.array_equal(first["images"], other["images"])


def test_pictures_are_those_of_this_version():
    assert VERSION == 1  # raise it, and renew the numbers, when pictures change
    drawn = phantom_slices(4, size=32, seed=0, slices_per_patient=1)
    quadrants = drawn["images"].reshape(4, 2, 16, 2, 16).mean(axis=(2, 4))
    expected = [
        [78.0, 84.3, 73.3, 72.9],
        [61.1, 59.4, 57.0, 59.5],
        [46.8, 66.6, 56.6, 79.2],
        [67.6, 74.3, 62.0, 64.8],
    ]
    np.testing.assert_allclose(quadrants.reshape(4, 4), expected, atol=0.2)
    np.testing.assert_allclose(
        (drawn["masks"] > 0).sum(axis=(1, 2)), [17, 13, 0, 4], atol=1
    )


def test_a_slice_does_not_depend_on_the_threads_nor_on_who_else_is_drawn():
    options = {
        "count": 2,
        "size": 48,
        "seed": 1,
        "modality": "mixed",
        "planes": PLANES,
    }
    (alone,) = draw_patients([5], workers=1, **options)
    _, among, _ = draw_patients([2, 5, 7], workers=3, **options)
    assert alone.name == among.name == "p0005"
    for a, b in zip(alone.slices, among.slices, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_patients_differ_in_anatomy_pose_and_window():
    patients = [phantom_patient(0, "notumor", n) for n in range(5)]
    for measure in (
        lambda p: p.anatomy.radii,
        lambda p: p.anatomy.ventricles,
        lambda p: p.anatomy.atrophy,
        lambda p: p.scanner.gain,
        lambda p: p.view,
        lambda p: p.turn[0, 1],
    ):
        assert len({measure(p) for p in patients}) == 5


# Masks


@pytest.mark.parametrize("kind", TUMOURS)
def test_mask_is_where_the_tumour_was_painted(kind):
    patient = clean(phantom_patient(4, kind, 1))
    grid, shape, pixel = plane_through(patient)
    painted, labels = patient.render(grid, shape, pixel, ["t1ce", "t2"], 0)
    bare, none = without_tumour(patient).render(grid, shape, pixel, ["t1ce", "t2"], 0)
    assert not none.any()
    assert (labels == 4).sum() > 30
    changed = np.abs(painted - bare).max(axis=0)
    # A labelled pixel is mostly tumour, so that its signal is near the tumour's own.
    solid = painted[0][labels == 4]
    assert np.abs(np.median(solid) - SIGNAL[kind][1]) < 0.15
    assert (changed[labels > 0] > 0.02).mean() > 0.9
    if kind == "meningioma":  # it has a cleft of CSF and a dural tail around it
        reach = int(np.ceil(2.5 * patient.tumour.radius / pixel))
        beyond = ~binary_dilation(labels > 0, iterations=reach)
        assert changed[beyond].max() == 0
    else:
        # Where no label is, at most half of the signal is the tumour's.
        assert changed[labels == 0].max() <= 0.5 * (SIGNAL["glioma"][1] - 0.05)


def test_glioma_has_core_rim_and_edema_in_that_order():
    for number in range(3):
        patient = phantom_patient(8, "glioma", number)
        grid, shape, pixel = plane_through(patient)
        _, labels = patient.render(grid, shape, pixel, ["t1"], 0)
        assert set(np.unique(labels)) == {0, 1, 2, 4}
        centre = patient.in_scanner(np.float32(patient.tumour.centre)[:, None])
        far = np.hypot(*(grid[:2] - centre[:2])).reshape(shape)
        means = [far[labels == name].mean() for name in (1, 4, 2)]
        assert means == sorted(means)


def test_every_slice_of_a_tumour_class_shows_tumour_and_no_other_does():
    drawn = phantom_slices(48, size=64, seed=2, planes=PLANES, modality="mixed")
    kinds = drawn["class_names"][drawn["labels"]]
    core = np.isin(drawn["masks"], (1, 4)).sum(axis=(1, 2))
    assert (core[kinds != "notumor"] >= 4).all()
    assert not drawn["masks"][kinds == "notumor"].any()
    assert set(np.unique(drawn["masks"])) <= {0, 1, 2, 4}
    assert np.bincount(drawn["labels"]).tolist() == [12, 12, 12, 12]


# Where tumours grow


def test_glioma_lies_inside_the_brain_away_from_the_dura():
    for number in range(6):
        patient = phantom_patient(1, "glioma", number)
        places = tumour_places(patient, (1, 4))
        assert patient.anatomy.intracranial(places).min() > 2
        assert abs(places[0].mean()) > 8


def test_meningioma_touches_the_dura_with_a_broad_base():
    for number in range(6):
        patient = phantom_patient(1, "meningioma", number)
        places = tumour_places(patient, (1, 4))
        depth = patient.anatomy.intracranial(places)
        assert depth.min() < 2.5
        assert depth.min() > -1.5
        base = places[:, depth < 4]
        assert np.ptp(base, axis=1).max() > 0.6 * patient.tumour.radius


def test_pituitary_tumour_sits_at_the_sella_near_the_midline():
    for number in range(6):
        patient = phantom_patient(1, "pituitary", number)
        places = tumour_places(patient, (1, 4))
        x, y, z = places.mean(axis=1)
        assert abs(x) < 7
        assert -6 < y < 12
        assert -45 < z < -10


def test_notumor_is_cut_at_the_levels_of_tumours():
    low = [phantom_patient(0, "notumor", n).landmark.kind for n in range(40)]
    assert set(low) == set(TUMOURS)
    assert phantom_patient(0, "notumor").tumour is None


# Contrast


def test_fluid_is_dark_on_t1_and_flair_and_bright_on_t2():
    grid = np.meshgrid(np.linspace(7, 17, 6), np.linspace(-30, -4, 12), (19, 21, 23))
    ventricle = np.reshape(grid, (3, -1)).T
    for number in range(3):
        patient = phantom_patient(2, "notumor", number)
        signal = {
            m: signal_at(patient, [*ventricle, (32, 62, -36), (30, -30, 32)], m)
            for m in MODALITIES
        }
        # The last two places are the eye and white matter.
        fluid = signal["t2"] > 0.9
        assert fluid[:-2].sum() > 4
        assert fluid[-2]
        assert not fluid[-1]
        for modality in ("t1", "t1ce", "flair"):
            assert signal[modality][fluid].max() < 0.6 * signal[modality][-1]


def test_rim_is_bright_only_after_contrast_and_edema_on_flair():
    patient = clean(phantom_patient(6, "glioma", 2))
    grid, shape, pixel = plane_through(patient)
    images, labels = patient.render(grid, shape, pixel, MODALITIES, 0)
    t1, t1ce, t2, flair = images
    assert t1ce[labels == 4].mean() > 1.5 * t1[labels == 4].mean()
    np.testing.assert_allclose(t1ce[labels == 1].mean(), t1[labels == 1].mean(), 0.5)
    assert flair[labels == 2].mean() > 1.5 * SIGNAL["white"][3]
    assert t2[labels == 1].mean() > 1.3 * flair[labels == 1].mean()


def test_grey_and_white_matter_swap_brightness_between_t1_and_t2():
    assert SIGNAL["white"][0] > SIGNAL["grey"][0]
    assert SIGNAL["white"][2] < SIGNAL["grey"][2]
    patient = phantom_patient(2, "notumor")
    white, putamen = (28, -30, 32), (27, 3, 2)
    t1 = signal_at(patient, [white, putamen], "t1")
    t2 = signal_at(patient, [white, putamen], "t2")
    assert t1[0] > t1[1]
    assert t2[0] < t2[1]


def test_noise_is_rician_in_air():
    patient = phantom_patient(3, "notumor")
    corner = np.full((3, 10_000), 300, np.float32)
    image, _ = patient.render(corner, (100, 100), 1.0, ["t1"], 0)
    # Nearly no signal: a Rayleigh distribution, mean over deviation 1.91.
    assert image.min() >= 0
    assert 1.7 < image.mean() / image.std() < 2.6


def test_no_class_is_told_by_global_intensity():
    drawn = phantom_slices(200, size=48, seed=9, slices_per_patient=2)
    flat = drawn["images"].reshape(200, -1).astype(np.float32)
    statistics = np.column_stack(
        [
            flat.mean(axis=1),
            flat.std(axis=1),
            *np.percentile(flat, (5, 25, 50, 75, 90, 95, 99), axis=1),
            (flat > 40).mean(axis=1),
        ]
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    found = cross_val_score(
        model, statistics, drawn["labels"], groups=drawn["patients"], cv=GroupKFold(5)
    )
    assert found.mean() < 0.55  # four classes: chance is 0.25


# The data set on disk


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "set", **SMALL)


def test_loader_takes_the_layout_and_sees_no_class_of_masks(written):
    samples = load_images(written, groups=PATIENT_PATTERN)
    assert samples.class_names == KINDS
    assert len(samples) == 16
    assert samples.notes["layout"] == "Training/Testing"
    assert set(samples.table["mode"]) == {"L"}
    assert set(samples.table["width"]) == set(samples.table["height"]) == {48}
    for split in ("train", "test"):
        assert set(samples.subset(split).table["label"]) == set(KINDS)


def test_patients_are_not_split(written):
    splits = defaultdict(set)
    for picture in written.glob("T*/*/*.png"):
        patient = picture.name.split("-")[1]
        splits[patient].add(picture.parts[-3])
        splits[patient].add(picture.parts[-2])
    assert len(splits) == 8
    assert all(len(found) == 2 for found in splits.values())


def test_masks_have_their_pictures_paths_and_labels_as_pixels(written):
    pictures = {p.relative_to(written) for p in written.glob("T*/*/*.png")}
    masks = {p.relative_to(written / "masks") for p in written.glob("masks/*/*/*.png")}
    assert pictures == masks
    for path in pictures:
        mask = np.asarray(Image.open(written / "masks" / path))
        assert set(np.unique(mask)) <= {0, 1, 2, 4}
        assert mask.any() == (path.parts[1] != "notumor")


def test_files_hold_what_is_drawn_in_memory(written):
    drawn = phantom_slices(16, size=48, seed=3, slices_per_patient=2)
    for k in range(16):
        name = f"phantom-{drawn['patients'][k]}-s{k % 2:02d}.png"
        (picture,) = written.glob(f"T*/*/{name}")
        np.testing.assert_array_equal(
            np.asarray(Image.open(picture)), drawn["images"][k]
        )
        mask = written / "masks" / picture.relative_to(written)
        np.testing.assert_array_equal(np.asarray(Image.open(mask)), drawn["masks"][k])


def test_description_says_what_it_is(written):
    described = json.loads((written / "phantom.json").read_text())
    assert "not MRI" in described["about"]
    assert described["request"]["seed"] == 3
    assert sum(described["counts"].values()) == 16
    assert [row["patient"] for row in described["table"]] == [
        f"p{n:04d}" for n in range(8)
    ]


def test_complete_folder_is_reused_and_another_refused(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    assert write_phantom(written, **SMALL) == written
    assert before == {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    with pytest.raises(DataError, match=r"another phantom \(seed 3 not 4\)"):
        write_phantom(written, **(SMALL | {"seed": 4}))
    assert before == {path: path.stat().st_mtime_ns for path in written.rglob("*")}


def test_folder_with_a_file_missing_is_refused(tmp_path):
    folder = write_phantom(tmp_path / "set", **(SMALL | {"size": 32}))
    next(folder.glob("Testing/*/*.png")).unlink()
    with pytest.raises(DataError, match="31 of the 32 files"):
        write_phantom(folder, **(SMALL | {"size": 32}))


def test_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="no phantom"):
        write_phantom(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_nothing_is_left_of_a_write_that_failed(tmp_path, monkeypatch):
    saved = []

    def fail(image, path, *args, **kwargs):
        saved.append(path)
        if len(saved) > 5:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(KerakdError, match="disk is full"):
        write_phantom(tmp_path / "set", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_masks_may_be_left_out(tmp_path):
    options = SMALL | {"patients": 12, "slices_per_patient": 1, "size": 32}
    folder = write_phantom(
        tmp_path, layout="Train/Testing/Validation", masks=False, **options
    )
    assert {p.name for p in folder.iterdir()} == {
        "Train",
        "Testing",
        "Validation",
        "phantom.json",
    }
    counts = Counter(path.parts[-3] for path in folder.rglob("*.png"))
    assert counts == {"Train": 4, "Testing": 4, "Validation": 4}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"patients": 7}, "7 patients are too few"),
        ({"patients": "many"}, "patients must be a whole number"),
        ({"size": 8}, "size must be from 32"),
        ({"modality": "t1c"}, "Did you mean 't1ce'"),
        ({"planes": ["axal"]}, "Did you mean 'axial'"),
        ({"planes": "axial"}, "planes must be a list"),
        ({"layout": "Training/Test"}, "Did you mean 'Training/Testing'"),
        ({"test_fraction": 1.0}, "between 0 and 1"),
        ({"slices_per_patient": 0}, "at least 1"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, wrong, said):
    with pytest.raises(DataError, match=said):
        write_phantom(tmp_path / "set", **(SMALL | wrong))
    assert not (tmp_path / "set").exists()


def test_unknown_kind_names_the_nearest():
    with pytest.raises(DataError, match="Did you mean 'glioma'"):
        phantom_patient(0, "gliome")
    with pytest.raises(DataError, match="Did you mean 'flair'"):
        phantom_patient(0, "glioma").slice(modality="flare")


# Volumes


@pytest.mark.parametrize(
    ("naming", "suffixes", "enhancing"),
    [
        ("brats2021", ("_t1", "_t1ce", "_t2", "_flair", "_seg"), 4),
        ("brats2023", ("-t1n", "-t1c", "-t2w", "-t2f", "-seg"), 3),
    ],
)
def test_volumes_come_back_through_nibabel(tmp_path, naming, suffixes, enhancing):
    options = {"shape": (48, 48, 32), "spacing": 4.0}
    folder = write_phantom_volumes(tmp_path / "v", 1, 7, naming, **options)
    case = folder / "phantom-p0000"
    assert {p.name for p in case.iterdir()} == {
        f"phantom-p0000{suffix}.nii.gz" for suffix in suffixes
    }
    volumes, labels = phantom_volume(phantom_patient(7, "glioma"), **options)
    for suffix, volume in zip(suffixes, volumes, strict=False):
        image = nibabel.load(case / f"phantom-p0000{suffix}.nii.gz")
        assert image.shape == (48, 48, 32)
        assert image.get_data_dtype() == np.int16
        assert image.header.get_zooms() == (4, 4, 4)
        assert image.header.get_xyzt_units()[0] == "mm"
        assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
        np.testing.assert_array_equal(np.asarray(image.dataobj), volume)
    image = nibabel.load(case / f"phantom-p0000{suffixes[-1]}.nii.gz")
    assert image.get_data_dtype() == np.uint8
    mask = np.asarray(image.dataobj)
    assert set(np.unique(mask)) == {0, 1, 2, enhancing}
    np.testing.assert_array_equal(mask > 0, labels > 0)
    np.testing.assert_array_equal(mask == enhancing, labels == 4)


def test_volume_holds_the_brain_and_only_the_brain():
    volumes, labels = phantom_volume(phantom_patient(7, "glioma"), (48, 48, 32), 4.0)
    brain = volumes[0] > 0
    litres = brain.sum() * 4.0**3 / 1e6
    assert 1.0 < litres < 1.9
    for axis in (0, 1):
        assert not np.take(brain, (0, -1), axis=axis).any()
    assert (brain[labels > 0]).mean() > 0.95
    # Every modality is zero outside the same brain.
    assert all(((volume > 0) & ~brain).sum() < 20 for volume in volumes)


def test_volume_and_slice_show_the_same_tumour():
    patient = phantom_patient(7, "meningioma")
    _, labels = phantom_volume(patient, (64, 64, 42), 3.0)
    level = round((patient.middle() - 4) / 3 + 20.5)
    height = 3 * (level - 20.5) + 4
    area = (labels[..., level] == 4).sum() * 9.0
    _, mask = patient.slice(height, size=128)
    shown = (mask == 4).sum() * (patient.view / 128) ** 2
    assert shown == pytest.approx(area, rel=0.15)


def test_volumes_are_reused_and_refused_like_slices(tmp_path):
    options = {"shape": (16, 16, 8), "spacing": 10.0}
    folder = write_phantom_volumes(tmp_path / "v", 1, 0, **options)
    before = files_of(folder)
    write_phantom_volumes(folder, 1, 0, **options)
    assert files_of(folder) == before
    with pytest.raises(DataError, match="naming 'brats2021' not 'brats2023'"):
        write_phantom_volumes(folder, 1, 0, "brats2023", **options)
    with pytest.raises(DataError, match="another phantom"):
        write_phantom(folder, **SMALL)
