"""Every layout in use is found, and whatever is none is refused in plain words."""

import os

import pytest

from kerakd.data.layouts import Skipped, find_layout, holds_layout, list_images
from kerakd.errors import DataError
from tests.data.image_folders import write_image, write_tree


def folders(layout):
    return [(f.split, f.name) for f in layout.folders]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("Training", "Testing"), ("train", "test")),
        (("Train", "Testing", "Validation"), ("train", "test", "validation")),
        (("train", "test", "val"), ("train", "test", "validation")),
        (("TRAIN", "Test", "valid"), ("train", "test", "validation")),
        (("training",), ("train",)),
    ],
)
def test_split_folders(tmp_path, names, splits):
    write_tree(tmp_path, {f"{n}/{c}": 1 for n in names for c in ("b", "a")})
    layout = find_layout(tmp_path)
    assert layout.name == "/".join(names)
    assert layout.root == tmp_path and layout.entered == ""
    assert folders(layout) == [(s, c) for s in splits for c in ("a", "b")]


def test_flat(tmp_path):
    layout = find_layout(write_tree(tmp_path, {"B": 1, "M": 1}))
    assert layout.name == "flat"
    assert folders(layout) == [("", "B"), ("", "M")]


@pytest.mark.parametrize("inner", ["x", "x/y z"])
def test_a_wrapper_is_entered(tmp_path, inner):
    write_tree(tmp_path / inner, {"Training/a": 1, "Training/b": 1})
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "README.md").touch()
    layout = find_layout(tmp_path)
    assert layout.root == tmp_path / inner
    assert layout.entered == inner


def test_a_wrapped_flat_layout(tmp_path):
    write_tree(tmp_path, {"busi/B": 1, "busi/M": 1})
    layout = find_layout(tmp_path)
    assert (layout.entered, layout.name) == ("busi", "flat")


def test_a_single_class_folder_is_no_wrapper(tmp_path):
    assert folders(find_layout(write_tree(tmp_path, {"B": 1}))) == [("", "B")]


def test_folders_beside_the_splits_are_told(tmp_path):
    write_tree(tmp_path, {"Training/a": 1, "masks": 1})
    (tmp_path / ".git").mkdir()
    assert find_layout(tmp_path).ignored == ("masks",)


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*absent"):
        find_layout(tmp_path / "absent")
    (tmp_path / "archive.zip").touch()
    with pytest.raises(DataError, match=r"archive\.zip is a file.*unpack it"):
        find_layout(tmp_path / "archive.zip")


def test_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"it is empty(.|\n)*FOLDER/Training/CLASS"):
        find_layout(tmp_path)


def test_loose_images_show_the_expected_tree(tmp_path):
    write_image(tmp_path / "scan.png")
    with pytest.raises(DataError, match=r"loose \(scan\.png\)(.|\n)*FOLDER/CLASS"):
        find_layout(tmp_path)


def test_loose_images_in_a_split(tmp_path):
    write_tree(tmp_path, {"Training": 1, "Testing/a": 1})
    with pytest.raises(DataError, match=r"Training has no class folders; .*loose"):
        find_layout(tmp_path)


def test_testing_without_training(tmp_path):
    write_tree(tmp_path, {"Testing/a": 1, "Testing/b": 1})
    with pytest.raises(DataError, match="holds Testing but no folder Training"):
        find_layout(tmp_path)


def test_two_folders_for_one_split(tmp_path):
    write_tree(tmp_path, {"train/a": 1, "val/a": 1, "validation/a": 1})
    with pytest.raises(DataError, match="val and validation, which both mean"):
        find_layout(tmp_path)


def test_a_folder_of_data_sets_is_not_one(tmp_path):
    write_tree(tmp_path, {"mri/Training/a": 1, "ultrasound/B": 1})
    with pytest.raises(DataError, match=r"mri is a data set of its own.*give .*mri"):
        find_layout(tmp_path)


def test_holds_layout(tmp_path):
    write_tree(tmp_path, {"mri/Training/a": 1, "flat/B": 1, "cases/c1/t1": 1})
    assert holds_layout(tmp_path / "mri")
    assert holds_layout(tmp_path / "flat")
    assert not holds_layout(tmp_path)


def test_what_counts_as_an_image(tmp_path):
    kept = ["a.png", "b.JPG", "c d.Jpeg", "é.tif", "in/deeper/e.bmp"]
    hidden = [".hidden.png", "._b.JPG", "Thumbs.db", ".ipynb_checkpoints/x/a.png"]
    others = ["notes.txt", "png", "a.png.part"]
    for name in kept + hidden + others:
        (tmp_path / "B" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "B" / name).touch()
    skipped = Skipped()
    found = list_images(tmp_path / "B", tmp_path, skipped)
    assert {p.relative_to(tmp_path / "B").as_posix() for p in found} == set(kept)
    assert found == sorted(found)
    counts = {"hidden": 4, "non_image": 3, "loose": 0, "link_loop": 0}
    assert skipped.counts == counts
    assert "B/.ipynb_checkpoints/x/a.png" in skipped.examples


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_image(tmp_path / "B" / "a.png")
    write_image(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "B" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "B" / "loop").symlink_to(tmp_path)
    (tmp_path / "B" / "itself").symlink_to(tmp_path / "B")
    (tmp_path / "B" / "circle.png").symlink_to(tmp_path / "B" / "circle.png")
    skipped = Skipped()
    found = list_images(tmp_path / "B", tmp_path / "B", skipped)
    names = [p.relative_to(tmp_path / "B").as_posix() for p in found]
    assert {"a.png", "linked/b.png", "circle.png"} <= set(names)
    assert len(names) < 10 and skipped.counts["link_loop"] >= 1


def test_a_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    skipped = Skipped()
    assert list_images(tmp_path, tmp_path, skipped) == []
    assert skipped.counts["non_image"] == 1
