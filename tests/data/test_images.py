"""A folder becomes a table: every layout, every bad file, and the real data."""

import shutil

import numpy as np
import pytest
from PIL import Image

from kerakd.data import decode, load_images
from kerakd.errors import DataError
from tests.data.image_folders import load_real_mri, write_image, write_tree

NAMES = ("glioma", "meningioma", "notumor", "pituitary")


def write_splits(root, *splits, classes=("a", "b"), number=2):
    return write_tree(root, {f"{s}/{c}": number for s in splits for c in classes})


@pytest.mark.parametrize(
    "splits",
    [
        ("Training", "Testing"),
        ("Train", "Testing", "Validation"),
        ("train", "val", "test"),
    ],
)
def test_layouts_with_splits(tmp_path, splits):
    samples = load_images(write_splits(tmp_path, *splits))
    assert len(samples) == 4 * len(splits)
    for split in samples.notes["official_splits"]:
        assert samples.counts[split] == {"a": 2, "b": 2}
    assert len(samples.counts) == len(splits)
    assert f"{splits[0]}/a/{splits[0]}-a_0.png" in samples.ids
    assert samples.remarks == []


def test_flat_layout(tmp_path):
    samples = load_images(write_tree(tmp_path, {"B": 3, "M": 2}))
    assert samples.counts == {"": {"B": 3, "M": 2}}
    assert samples.notes["layout"] == "flat"
    row = samples.table.iloc[0]
    assert (row["id"], row["path"], row["group"]) == ("B/B_0.png",) * 3
    assert (row["label"], row["width"], row["height"], row["mode"]) == (
        "B",
        10,
        12,
        "L",
    )
    assert samples.paths[0] == tmp_path / "B" / "B_0.png"


def test_ids_do_not_depend_on_the_place_or_a_wrapper(tmp_path):
    write_splits(tmp_path / "one" / "brain_tumor_dataset", "Training", "Testing")
    shutil.copytree(tmp_path / "one" / "brain_tumor_dataset", tmp_path / "two")
    wrapped, plain = load_images(tmp_path / "one"), load_images(tmp_path / "two")
    assert wrapped.ids.tolist() == plain.ids.tolist() == sorted(plain.ids)
    assert wrapped.notes["entered"] == "brain_tumor_dataset"
    assert wrapped.remarks == [
        "The data set was found in the folder brain_tumor_dataset."
    ]


def test_a_relative_folder(tmp_path, monkeypatch):
    write_tree(tmp_path / "busi", {"B": 1, "M": 1})
    monkeypatch.chdir(tmp_path)
    samples = load_images("busi")
    assert decode(samples.paths[0], 1).shape == (12, 10, 1)
    assert samples.paths[0].is_absolute()


def test_what_is_passed_over_is_counted(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 1, "B/.ipynb_checkpoints": 2, "B/patient": 1})
    (tmp_path / "B" / "._B_0.png").touch()
    (tmp_path / "M" / "Thumbs.db").touch()
    (tmp_path / "M" / "notes.txt").touch()
    write_image(tmp_path / "stray.png")
    samples = load_images(tmp_path)
    assert samples.counts == {"": {"B": 2, "M": 1}}
    skipped = samples.notes["skipped"]
    assert (skipped["hidden"], skipped["non_image"], skipped["loose"]) == (4, 1, 1)
    assert "B/._B_0.png" in skipped["examples"]
    (remark,) = samples.remarks
    assert "4 hidden, 1 no image by name, 1 outside the class folders" in remark


def test_a_link_loop_does_not_hang(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 1})
    (tmp_path / "B" / "again").symlink_to(tmp_path / "B")
    samples = load_images(tmp_path)
    assert len(samples) == 2
    assert samples.notes["skipped"]["link_loop"] == 1


def test_odd_names(tmp_path):
    write_tree(tmp_path, {"bénin": 1, "malin": 1})
    for name in ("été 1.PNG", "a,b.JPG", 'q"q.jpeg', "line\nbreak.png"):
        write_image(tmp_path / "bénin" / name)
    samples = load_images(tmp_path)
    assert samples.counts[""] == {"bénin": 5, "malin": 1}
    again = type(samples).load(samples.save(tmp_path / "s.csv"), root=tmp_path)
    assert again.ids.tolist() == samples.ids.tolist()


def test_an_id_has_one_spelling_and_the_path_its_own(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 1})
    decomposed, composed = "e\u0301.png", "\u00e9.png"
    write_image(tmp_path / "B" / decomposed)
    samples = load_images(tmp_path)
    assert f"B/{composed}" in samples.ids
    assert decomposed in [path.name for path in samples.paths]


def test_a_name_that_is_no_unicode(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 1})
    raw = bytes(tmp_path / "B") + b"/\xff.png"
    try:
        shutil.copy(tmp_path / "M" / "M_0.png", raw)
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(DataError, match=r"\\xff\.png \(its name is not valid Unicode"):
        load_images(tmp_path)
    samples = load_images(tmp_path, skip_bad=True)
    assert samples.notes["bad"][0]["id"] == r"B/\xff.png"
    samples.save(tmp_path / "s.csv")


def spoil(folder):
    """Six kinds of bad file; the image that each is made from is good."""
    write_image(folder / "small.png", size=(1, 1))
    (folder / "empty.png").touch()
    (folder / "html.jpg").write_text("<html>404</html>")
    (folder / "dead.png").symlink_to(folder / "absent.png")
    good = write_image(folder / "good.png", size=(64, 64)).read_bytes()
    (folder / "cut.png").write_bytes(good[:2000])
    Image.fromarray(np.ones((9, 9), np.float32)).save(folder / "float.tif")
    return {
        "small.png": "1x1 pixels, at least 8x8",
        "empty.png": "the file is empty",
        "html.jpg": "no image",
        "dead.png": "no such file",
        "cut.png": "cannot be decoded",
        "float.tif": "floating-point",
    }


def test_bad_files_are_named_with_the_remedy(tmp_path):
    write_tree(tmp_path, {"B": 2, "M": 2})
    reasons = spoil(tmp_path / "B")
    with pytest.raises(DataError) as caught:
        load_images(tmp_path)
    text = str(caught.value)
    assert text.startswith("6 of 11 files in ")
    assert "skip_bad=True (--skip-bad)" in text
    for name in reasons:
        assert f"B/{name} (" in text


def test_bad_files_are_left_out_only_when_asked(tmp_path):
    write_tree(tmp_path, {"B": 2, "M": 2})
    reasons = spoil(tmp_path / "B")
    samples = load_images(tmp_path, skip_bad=True)
    assert samples.counts == {"": {"B": 3, "M": 2}}
    bad = {entry["id"]: entry["reason"] for entry in samples.notes["bad"]}
    assert bad.keys() == {f"B/{name}" for name in reasons}
    for name, reason in reasons.items():
        assert reason in bad[f"B/{name}"]
    assert any(line.startswith("Bad files left out (6)") for line in samples.remarks)


def test_many_bad_files_are_counted(tmp_path):
    write_tree(tmp_path, {"B": 2, "M": 2})
    for i in range(13):
        (tmp_path / "B" / f"x{i:02}.png").touch()
    with pytest.raises(DataError, match=r"13 of 17 .*x09\.png .* and 3 more") as caught:
        load_images(tmp_path)
    assert "x10.png" not in str(caught.value)


def test_a_class_of_bad_files_only(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 2, "N": 2})
    (tmp_path / "B" / "B_0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"No image in .*B can be used"):
        load_images(tmp_path, skip_bad=True)
    assert load_images(tmp_path, classes=["M", "N"]).class_names == ("M", "N")


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "RGB"])
def test_unusual_modes_are_samples(tmp_path, mode):
    write_tree(tmp_path, {"B": 1, "M": 1})
    write_image(tmp_path / "B" / "x.tif", mode)
    samples = load_images(tmp_path)
    assert samples.notes["modes"] == {"L": 2, mode: 1}


def test_16_bit_files_that_would_turn_black_are_remarked(tmp_path):
    write_tree(tmp_path, {"B": 1, "M": 1})
    for name, top in (("dim", 4095), ("full", 65535)):
        pixels = np.linspace(0, top, 100).astype(np.uint16).reshape(10, 10)
        Image.fromarray(pixels).save(tmp_path / "B" / f"{name}.png")
    samples = load_images(tmp_path)
    assert samples.notes["dim_16_bit"] == ["B/dim.png"]
    assert any("nearly black" in line for line in samples.remarks)


def test_empty_class_folder(tmp_path):
    write_splits(tmp_path, "Training", "Testing")
    (tmp_path / "Testing" / "a" / "Testing-a_0.png").unlink()
    (tmp_path / "Testing" / "a" / "Testing-a_1.png").rename(
        tmp_path / "Testing" / "a" / "scan.dcm"
    )
    with pytest.raises(DataError, match=r"Testing/a holds no image.*1 other.*\.dcm"):
        load_images(tmp_path)


def test_one_class_only(tmp_path):
    with pytest.raises(DataError, match=r"one class only \(B\)"):
        load_images(write_tree(tmp_path, {"B": 3}))


def test_a_class_in_test_that_training_lacks(tmp_path):
    write_splits(tmp_path, "Training")
    write_splits(tmp_path, "Testing", classes=("a", "b", "extra"))
    with pytest.raises(DataError, match=r"Testing/extra.*it has a, b"):
        load_images(tmp_path)
    samples = load_images(tmp_path, classes=["a", "b"])
    assert samples.notes["left_out_classes"] == ["extra"]


def test_a_class_that_test_lacks_is_remarked(tmp_path):
    write_splits(tmp_path, "Training", classes=("a", "b", "c"))
    write_splits(tmp_path, "Testing")
    samples = load_images(tmp_path)
    assert samples.notes["missing_classes"] == {"test": ["c"]}
    assert samples.remarks == ["The test split has no c."]


def test_two_spellings_in_two_splits(tmp_path):
    write_splits(tmp_path, "Training", classes=NAMES)
    other = ("Glioma", "meningioma_tumor", "no_tumor", "pituitary")
    write_splits(tmp_path, "Testing", classes=other)
    with pytest.raises(DataError, match=r"Testing/Glioma.*aliases=True \(--aliases\)"):
        load_images(tmp_path)
    samples = load_images(tmp_path, aliases=True)
    assert samples.class_names == NAMES
    assert samples.counts["test"] == dict.fromkeys(NAMES, 2)
    assert samples.notes["aliases"] == {
        "Glioma": "glioma",
        "meningioma_tumor": "meningioma",
        "no_tumor": "notumor",
    }
    assert "no_tumor as notumor" in samples.remarks[0]
    # The files keep their names.
    assert "Testing/no_tumor/Testing-no_tumor_0.png" in samples.ids


def test_aliases_are_off_unless_asked(tmp_path):
    write_splits(tmp_path, "Training", "Testing", classes=("no_tumor", "glioma_tumor"))
    assert load_images(tmp_path).class_names == ("glioma_tumor", "no_tumor")
    own = load_images(tmp_path, aliases={"no_tumor": "healthy"})
    assert own.class_names == ("glioma_tumor", "healthy")


def test_choosing_classes(tmp_path):
    write_tree(tmp_path, {"a": 1, "b": 1, "c": 1})
    assert load_images(tmp_path, classes=["c", "a"]).class_names == ("a", "c")
    with pytest.raises(DataError, match="no class 'x'"):
        load_images(tmp_path, classes=["a", "x"])
    with pytest.raises(DataError, match="list of names"):
        load_images(tmp_path, classes="a")


def test_groups_while_loading(tmp_path):
    write_tree(tmp_path, {"B": 2, "M": 2})
    samples = load_images(tmp_path, groups=r"_(\d)")
    assert samples.groups.tolist() == ["0", "1", "0", "1"]


def test_progress_writes_to_stderr_only_when_asked(tmp_path, capsys):
    write_tree(tmp_path, {"B": 2, "M": 2})
    load_images(tmp_path)
    assert capsys.readouterr() == ("", "")
    load_images(tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "Checking images" in err


def test_real_brain_tumour_mri(real_data):
    samples = load_real_mri(real_data)
    assert samples.class_names == NAMES
    assert samples.counts == {
        "train": dict(zip(NAMES, (1321, 1339, 1591, 1457), strict=True)),
        "test": dict(zip(NAMES, (300, 306, 405, 300), strict=True)),
    }
    assert samples.notes["skipped"]["hidden"] == 1
    assert ".ipynb_checkpoints" in samples.notes["skipped"]["examples"][0]
    assert samples.notes["modes"] == {"RGB": 3926, "L": 3093}
    assert set(samples.table["width"]) == set(samples.table["height"]) == {224}


def test_real_breast_ultrasound(real_data):
    samples = load_images(real_data / "breast-ultrasound")
    assert samples.counts == {"": {"B": 350, "M": 168}}


def test_real_folder_of_data_sets_is_refused(real_data):
    with pytest.raises(DataError, match="brain-tumor-mri is a data set of its own"):
        load_images(real_data)
