"""What may be exported, told before training begins."""

import pytest

from kerakd.errors import RecipeError
from kerakd.run.exporting import check_modes


def test_an_integer_mode_needs_training_images_to_be_calibrated_by():
    check_modes(["float32", "int8", "int16x8"], 100)
    check_modes(["float32", "float16", "dynamic"], 1)
    with pytest.raises(RecipeError, match=r"'int8'.*at least 100.*there are 64"):
        check_modes(["float32", "int8"], 64)


def test_an_unknown_mode_names_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'int8'"):
        check_modes(["int88"], 500)
