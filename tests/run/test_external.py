"""Images from elsewhere are looked for before anything is trained."""

import pytest

from kerakd.errors import KerakdError
from kerakd.recipe import recipe_from
from kerakd.run import run_recipe
from tests.data.image_folders import write_tree
from tests.run.tiny import page


def run(tmp_path, **section):
    recipe = recipe_from(page(external=[section]))
    run_recipe(recipe, tmp_path / "run", verbose=0)


def test_a_folder_that_is_not_there_stops_before_the_first_training(tmp_path):
    with pytest.raises(KerakdError, match="elsewhere"):
        run(tmp_path, source=str(tmp_path / "elsewhere"))
    assert not (tmp_path / "run").exists()


def test_a_class_that_is_not_known_stops_before_the_first_training(tmp_path):
    folder = write_tree(tmp_path / "elsewhere", {"yes": 1, "no": 1})
    with pytest.raises(KerakdError, match="gliom"):
        run(tmp_path, source=str(folder), classes={"yes": "gliom", "no": "notumor"})
    assert not (tmp_path / "run").exists()
