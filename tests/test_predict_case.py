import json

import keras
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from kerakd.cli.app import app
from kerakd.errors import DataError, ModelError, RecipeError
from kerakd.predict_case import open_case, predict_case
from kerakd.segmenter import Segmenter, keep_largest
from tests.data.volumes import made

ALL = ("t1", "t1ce", "t2", "flair")


def bright_is_tumour(slices):
    """Logits that call tumour what is bright in the first channel."""
    margin = slices[..., :1] - 1.0
    return np.concatenate([-margin, margin], axis=-1)


def parts_of_truth(slices):
    """Four logits, the largest by how bright the first channel is."""
    level = np.clip(np.floor(slices[..., 0] + 1.5), 0, 3).astype(int)
    return np.eye(4, dtype=np.float32)[level]


@pytest.fixture
def two():
    return Segmenter(bright_is_tumour, (24, 20, 4), ALL, "whole_tumour")


@pytest.fixture
def four():
    return Segmenter(parts_of_truth, (24, 20, 4), ALL, "subregions")


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SPR"])
def test_the_mask_lies_over_its_case(tmp_path, two, axes):
    folder = made.write_case(tmp_path, "c")
    codes = nibabel.orientations.axcodes2ornt(tuple(axes))
    for file in folder.iterdir():
        image = nibabel.load(file)
        turn = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(image.affine), codes
        )
        image.as_reoriented(turn).to_filename(file)
    answer = predict_case(two, folder, tmp_path / "mask.nii.gz")
    first, mask = nibabel.load(folder / "c_t1.nii.gz"), nibabel.load(answer.path)
    assert mask.shape == first.shape
    np.testing.assert_array_equal(mask.affine, first.affine)
    for name in ("pixdim", "xyzt_units", "qform_code", "sform_code", "srow_x"):
        np.testing.assert_array_equal(mask.header[name], first.header[name], name)
    assert mask.get_data_dtype() == np.uint8
    # The network's grid is that of the case: what it said is there to the voxel.
    said = np.asarray(mask.dataobj) > 0
    volume = np.asarray(first.dataobj, np.float64)
    brain = volume != 0
    inside = volume[brain]
    expected = brain & ((volume - inside.mean()) / inside.std() > 1.0)
    np.testing.assert_array_equal(said, expected)
    assert answer.volumes_ml == {"WT": pytest.approx(said.sum() * 1.5 * 4 / 1000)}
    assert answer.metrics["WT"]["true_volume_ml"] > 0


@pytest.mark.parametrize(
    ("write", "scheme", "legal"),
    [
        (made.write_case, None, {0, 1, 2, 4}),
        (made.write_new_case, "brats2023", {0, 1, 2, 3}),
    ],
)
def test_labels_are_those_of_the_case(tmp_path, four, write, scheme, legal):
    folder = write(tmp_path)
    answer = predict_case(four, folder, tmp_path / "mask.nii", scheme=scheme)
    assert set(np.unique(nibabel.load(answer.path).dataobj)) == legal
    assert answer.scheme == (scheme or "brats2018-2021")
    assert list(answer.volumes_ml) == ["WT", "TC", "ET"]
    # The file reads as a mask of that case, as if a person had drawn it.
    (folder / f"{folder.name}{'-' if scheme else '_'}seg.nii.gz").unlink()
    made.save(
        folder / f"{folder.name}{'-' if scheme else '_'}seg.nii.gz",
        np.asarray(nibabel.load(answer.path).dataobj),
    )
    again = predict_case(four, folder, tmp_path / "again.nii", scheme=scheme)
    assert {one["dice"] for one in again.metrics.values()} == {1.0}


def test_a_scheme_is_asked_for_where_the_case_does_not_say_it(tmp_path, four, two):
    folder = made.write_new_case(tmp_path)
    with pytest.raises(RecipeError, match="name the label scheme with scheme"):
        predict_case(four, folder, tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()
    # Tumour or not needs none; but then there is nothing to measure by.
    answer = predict_case(two, folder, tmp_path / "mask.nii.gz")
    assert (answer.scheme, answer.metrics) == ("tumour-1", None)
    answer = predict_case(two, folder, scheme="brats2023")
    assert answer.metrics["WT"]["dice"] > 0


def test_slices_of_pictures_and_decathlon(tmp_path):
    folder = made.write_tif_case(tmp_path / "tif")
    two = Segmenter(bright_is_tumour, (16, 16, 2), ("flair", "t1"), "whole_tumour")
    answer = predict_case(two, folder, tmp_path / "mask.nii.gz")
    assert nibabel.load(answer.path).shape == (32, 32, 11)
    assert "no spacing" in answer.notes[-1]
    assert answer.metrics["WT"]["dice"] >= 0
    made.write_decathlon(tmp_path / "ten")
    file = tmp_path / "ten" / "imagesTr" / "BRATS_001.nii.gz"
    answer = predict_case(two, file, tmp_path / "mask.nii.gz")
    assert answer.case.endswith("BRATS_001")
    assert nibabel.load(answer.path).shape == made.SHAPE


def test_the_largest_component_alone(tmp_path, two):
    classes = np.zeros((4, 9, 9), np.uint8)
    classes[1, 1:4, 1:4] = 2
    classes[2, 4, 4] = 3  # touches by a corner
    classes[0, 8, 8] = 1
    kept = keep_largest(classes)
    assert np.count_nonzero(kept) == 10
    assert kept[2, 4, 4] == 3
    assert not keep_largest(np.zeros_like(classes)).any()
    folder = made.write_case(tmp_path)
    answer = predict_case(two, folder, tmp_path / "m.nii", largest_component=True)
    everything = predict_case(two, folder)
    assert 0 < answer.volumes_ml["WT"] < everything.volumes_ml["WT"]
    # A segmenter's own rule holds where nothing else is said.
    one = Segmenter(bright_is_tumour, (24, 20, 4), ALL, "whole_tumour", True)
    assert predict_case(one, folder).volumes_ml == answer.volumes_ml
    said = predict_case(one, folder, largest_component=False)
    assert said.volumes_ml == everything.volumes_ml
    assert one.largest_component


def test_one_case_is_wanted(tmp_path, two):
    made.write_case(tmp_path, "a")
    made.write_case(tmp_path, "b")
    with pytest.raises(DataError, match=r"holds 2 cases \(a, b\); give the folder"):
        predict_case(two, tmp_path)
    with pytest.raises(DataError, match="There is no case"):
        open_case(tmp_path / "absent")
    assert open_case(tmp_path / "a" / "a_flair.nii.gz").id == "a"
    with pytest.raises(RecipeError, match=r"written as \.nii\.gz or \.nii, not as 'm"):
        predict_case(two, tmp_path / "a", tmp_path / "m.png")


def test_logits_that_are_no_numbers(tmp_path):
    folder = made.write_case(tmp_path)
    broken = Segmenter(
        lambda x: np.full((*x.shape[:3], 2), np.nan), (16, 16, 4), ALL, "whole_tumour"
    )
    with pytest.raises(ModelError, match="logits that are no numbers"):
        predict_case(broken, folder, tmp_path / "mask.nii.gz")
    assert not (tmp_path / "mask.nii.gz").exists()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A Keras file and the LiteRT file of the same network."""
    from kerakd.compress import quantize

    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(hidden))
    model.save(folder / "net.keras")
    quantize(model, "float32", path=folder / "net.tflite")
    return folder


def test_keras_and_litert_say_the_same(saved, tmp_path):
    folder = made.write_case(tmp_path)
    masks = []
    for name in ("net.keras", "net.tflite"):
        out = tmp_path / f"{name}.nii.gz"
        predict_case(saved / name, folder, out, modalities=("flair", "t1ce", "t2"))
        masks.append(np.asarray(nibabel.load(out).dataobj))
    assert masks[0].any()
    assert (masks[0] != masks[1]).mean() < 1e-3


def test_channels_are_told_by_the_run_or_asked_for(saved):
    with pytest.raises(RecipeError, match="--modalities flair,t1ce,t2"):
        Segmenter.open(saved / "net.keras")
    with pytest.raises(RecipeError, match="takes 3 channels and modalities names 1"):
        Segmenter.open(saved / "net.keras", ["flair"])
    told = {"segmentation": {"modalities": ["t1", "flair", "t1ce"]}}
    (saved / "net.json").write_text(json.dumps(told))
    assert Segmenter.open(saved / "net.keras").modalities == ("t1", "flair", "t1ce")
    (saved / "net.json").unlink()


def test_models_that_do_not_segment(tmp_path):
    image = keras.Input((16, 16, 3))
    flat = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(2)(flat)).save(tmp_path / "a.keras")
    with pytest.raises(ModelError, match="logits for each pixel of its input"):
        Segmenter.open(tmp_path / "a.keras", ALL)
    keras.Model(image, keras.layers.Conv2D(3, 1)(image)).save(tmp_path / "b.keras")
    with pytest.raises(ModelError, match="3 classes apart; expected 2"):
        Segmenter.open(tmp_path / "b.keras", ALL)
    with pytest.raises(ModelError, match="no model file"):
        Segmenter.open(tmp_path / "c.keras", ALL)


def test_from_the_command_line(saved, tmp_path):
    folder = made.write_case(tmp_path)
    common = ["predict", str(saved / "net.tflite"), str(folder)]
    mask, figures = tmp_path / "mask.nii.gz", tmp_path / "figures.json"
    done = CliRunner().invoke(
        app,
        [
            *common,
            "-o",
            str(mask),
            "--json",
            str(figures),
            "--modalities",
            "flair,T1CE,t2",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "whole tumour (WT)" in done.output
    told = json.loads(figures.read_text())
    assert told["metrics"]["WT"]["dice"] >= 0
    assert told["seconds"]["total"] > 0
    assert mask.is_file()
    assert (tmp_path / "mask.png").read_bytes()[:4] == b"\x89PNG"
    for wrong, sentence in (
        ([], "Say where the mask of the case goes"),
        (["-o", str(mask), "--scheme", "brats"], "no label scheme 'brats'"),
    ):
        done = CliRunner().invoke(app, [*common, "--modalities", "t1,t2,flair", *wrong])
        assert done.exit_code == 2
        assert sentence in done.output + done.stderr
    done = CliRunner().invoke(app, [*common[:2], "scan.png", "-o", str(mask)])
    assert done.exit_code == 2
