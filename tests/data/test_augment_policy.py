import pytest

from kerakd.data.augment import Augmentation
from kerakd.errors import RecipeError


def test_config_round_trip():
    policy = Augmentation.preset(
        "full", mixup=0.2, randaugment={"operations": 2, "magnitude": 0.5}
    )
    assert Augmentation.from_config(policy.get_config()) == policy


def test_unknown_key_names_the_nearest():
    with pytest.raises(RecipeError, match=r"'rotatoin'.*'rotation'"):
        Augmentation.from_config({"rotatoin": 15})


def test_unknown_preset_names_the_nearest():
    with pytest.raises(RecipeError, match=r"'flip_rotate'.*'flip_rotation'"):
        Augmentation.preset("flip_rotate")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("rotation", 200, "rotation .*0 to 180"),
        ("rotation", -1, "rotation .*0 to 180"),
        ("rotation", "15", "rotation .*number"),
        ("rotation", True, "rotation .*number"),
        ("rotation", float("nan"), "rotation .*0 to 180"),
        ("scale", 1.0, "scale .*0 to 0.9"),
        ("translation", 1.5, "translation .*0 to 1"),
        ("mixup", -0.1, "mixup .*0 to 100"),
        ("horizontal_flip", 1, "horizontal_flip .*true or false"),
        ("randaugment", 2, "randaugment .*operations"),
        ("randaugment", {"operations": 2}, "randaugment.magnitude is missing"),
        ("randaugment", {"operations": 2.5, "magnitude": 0.5}, "whole number"),
        ("randaugment", {"operations": 2, "magnitude": 7}, "magnitude .*0 to 1"),
        ("randaugment", {"operation": 2}, "'operations'"),
    ],
)
def test_wrong_values_name_key_and_range(key, value, expected):
    with pytest.raises(RecipeError, match=expected):
        Augmentation.from_config({key: value})


def test_what_a_recipe_may_say():
    assert Augmentation.of(None) is None
    flip = Augmentation(horizontal_flip=True)
    assert Augmentation.of("flip") == flip
    assert Augmentation.of(flip) is flip
    assert Augmentation.of({"horizontal_flip": True}) == flip
    mixed = Augmentation.of({"preset": "flip", "cutmix": 1})
    assert mixed == Augmentation(horizontal_flip=True, cutmix=1.0)
    with pytest.raises(RecipeError, match="flip_rotation"):
        Augmentation.of(["flip"])
    with pytest.raises(RecipeError, match="no preset 3"):
        Augmentation.of({"preset": 3})
