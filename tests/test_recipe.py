"""Recipes: what a page may say, and what is said of a page that is wrong."""

import pytest

from kerakd.errors import RecipeError
from kerakd.recipe import (
    Recipe,
    load_recipe,
    recipe_from,
    save_recipe,
    strict_yaml,
    with_external,
)
from kerakd.recipe.overrides import grid, parse_setting, parse_sweep, put

PAGE = """
name: trial
data: {source: mri}
teacher: {model: resnet50}
student: {model: mobilenet_v2}
"""


def page(**changes):
    """The shortest recipe, with dotted keys (`__` for a dot) changed."""
    found = strict_yaml.parse(PAGE, "page")
    for key, value in changes.items():
        found = put(found, key.replace("__", "."), value)
    return found


def refusal(**changes) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe_from(page(**changes), source="trial.yaml")
    return str(caught.value)


# What a page may leave out --------------------------------------------------------


def test_a_recipe_of_four_lines_has_all_it_needs():
    recipe = recipe_from(page())
    assert recipe.task == "classification"
    assert recipe.seeds == [0]
    assert recipe.student.image_size == 224
    assert recipe.distillation.losses == [{"name": "kl_divergence"}]
    assert recipe.augmentation is None
    assert recipe.baseline


def test_the_seed_is_that_of_the_student_where_no_seeds_are_named():
    assert recipe_from(page(seed=3)).seeds == [3]
    assert recipe_from(page(seed=3, seeds=[1, 2])).seeds == [1, 2]


def test_a_resolved_recipe_reads_back_as_the_same(tmp_path):
    recipe = recipe_from(
        page(
            description="ein Versuch: ü\nzweite Zeile",
            data__classes=["no", "yes", "1e3"],
            augmentation="flip_affine",
            student__training={"learning_rate": 1e-5, "early_stopping": 3},
            student__image_size=[96, 128],
            distillation__losses=[{"name": "hint", "weight": 0.1}],
        )
    )
    path = save_recipe(recipe, tmp_path / "recipe.yaml")
    assert load_recipe(path) == recipe


# YAML as people mean it -----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1e-3", 1e-3),
        ("1.0e-3", 1e-3),
        ("-2", -2),
        (".5", 0.5),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("007", 7),
    ],
)
def test_scalars_are_what_they_look_like(text, meaning):
    value = strict_yaml.parse(f"key: {text}", "page")["key"]
    assert value == meaning
    assert type(value) is type(meaning)


def test_classes_named_no_and_yes_stay_text():
    found = strict_yaml.parse("classes: [no, yes]", "page")
    assert found == {"classes": ["no", "yes"]}


def test_a_key_written_twice_is_refused_with_its_line():
    with pytest.raises(RecipeError, match=r"trial\.yaml, line 2: .*'name'.*twice"):
        strict_yaml.parse("name: a\nname: b\n", "trial.yaml")


@pytest.mark.parametrize(
    "text", ["name: [1, 2", "a: b: c", "\tname: x", "? [1]\n: 2", "1: x", "a: *b"]
)
def test_what_is_no_yaml_is_told_with_the_file(text):
    with pytest.raises(RecipeError, match=r"trial\.yaml"):
        strict_yaml.parse(text, "trial.yaml")


def test_yaml_runs_no_code():
    with pytest.raises(RecipeError):
        strict_yaml.parse("!!python/object/apply:os.getcwd []", "trial.yaml")


# Mistakes -------------------------------------------------------------------------


def test_an_unknown_key_names_its_place_and_the_nearest():
    assert refusal(student__training={"epoch": 3}) == (
        "trial.yaml: unknown key 'student.training.epoch'. "
        "Did you mean 'epochs' or 'step_epochs'?"
    )
    assert "'studnt'. Did you mean 'student'?" in refusal(studnt={})
    assert "'augmentation.rotaton'" in refusal(augmentation={"rotaton": 3})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"seed": "one"}, ("'seed'", "whole number", "'one'")),
        ({"seed": True}, ("'seed'", "whole number", "true")),
        ({"seed": 1.5}, ("'seed'", "whole number", "1.5")),
        ({"seed": -1}, ("'seed'", "from 0", "-1")),
        ({"baseline": "yes"}, ("'baseline'", "true or false")),
        ({"data__classes": [True]}, ("'data.classes[0]'", "put it in quotes")),
        ({"data__validation": 1.0}, ("'data.validation'", "at most 0.9")),
        ({"data__validation": float("nan")}, ("'data.validation'", "nan")),
        ({"data__aliases": {"a": 1}}, ("'data.aliases.a'", "text")),
        ({"data__channels": 2}, ("'data.channels'", "1, 3", "2")),
        ({"data": 3}, ("'data'", "key: value", "3")),
        ({"task": "regress"}, ("'task'", "classification")),
        ({"student__training": {"epochs": "ten"}}, ("student.training", "'ten'")),
        ({"student__training": {"epochs": 0}}, ("student.training", "`epochs`")),
        ({"student__image_size": [1, 2, 3]}, ("'student.image_size[0]'", "from 8")),
        ({"student__image_size": [64] * 3}, ("student", "[height, width]")),
        ({"distillation__temperature": 0}, ("'distillation.temperature'", "above 0")),
        ({"distillation__student_loss_weight": 2}, ("student_loss_weight'", "to 1")),
        ({"distillation__losses": []}, ("distillation", "`losses` is empty")),
        ({"distillation__losses": [{"weight": 1}]}, ("`losses[0]`", "`name`")),
        (
            {"distillation__losses": [{"name": "kl_divergence", "weight": -1}]},
            ("`losses[0].weight`", "at least 0"),
        ),
        ({"seeds": [1, 1]}, ("`seeds`", "twice")),
        ({"seeds": 3}, ("'seeds'", "list")),
        ({"name": "  "}, ("`name` is empty",)),
        ({"augmentation": "flipp"}, ("augmentation", "Did you mean 'flip'?")),
        ({"augmentation": {"rotation": 300}}, ("augmentation", "300")),
        ({"teacher__file": "a.keras"}, ("teacher", "either `model`")),
        ({"teacher__model": None}, ("teacher", "either `model`")),
        ({"export__modes": ["int9"]}, ("'export.modes[0]'", "float32")),
        ({"data__phantom": {"size": 64}}, ("data", "source: phantom")),
        ({"tiny": 3}, ("'tiny'", "key: value")),
        ({"export__modes": []}, ("export", "one or more modes")),
        ({"export__modes": ["int8", "int8"]}, ("export", "each once")),
        ({"external": [{"classes": {}}]}, ("'external[0].source'", "missing")),
        ({"data__audit": "no"}, ("'data.audit'", "true or false")),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_it_must_be(changes, parts):
    text = refusal(**changes)
    assert text.startswith("trial.yaml: ")
    assert "\n" not in text
    for part in parts:
        assert part in text


def test_a_missing_key_is_named():
    found = page()
    del found["student"]
    with pytest.raises(RecipeError, match="the key 'student' is missing"):
        recipe_from(found)


@pytest.mark.parametrize("value", [None, [1, 2], "text"])
def test_a_page_that_is_no_mapping_is_no_recipe(value):
    with pytest.raises(RecipeError, match="is no recipe"):
        recipe_from(value)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "There is no recipe"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "no text file"),
    ],
)
def test_a_file_that_is_no_page_is_told(tmp_path, make, reason):
    path = tmp_path / "recipe.yaml"
    make(path)
    with pytest.raises(RecipeError, match=reason):
        load_recipe(path)


# Changes --------------------------------------------------------------------------


def test_settings_reach_into_the_page_and_are_checked(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(PAGE)
    recipe = load_recipe(
        path, settings=["student.training.epochs=3", "teacher.options={width: 2}"]
    )
    assert recipe.student.training.epochs == 3
    assert recipe.teacher.options == {"width": 2}
    with pytest.raises(RecipeError, match=r"^--set student\.epochs=3: unknown key"):
        load_recipe(path, settings=["student.epochs=3"])


@pytest.mark.parametrize("text", ["epochs", "=3", ""])
def test_a_setting_without_key_or_value_is_refused(text):
    with pytest.raises(RecipeError, match="--set takes KEY=VALUE"):
        parse_setting(text)


def test_tiny_is_short_and_a_recipe_may_say_more():
    recipe = recipe_from(
        page(seeds=[4, 5], tiny={"student": {"training": {"epochs": 2}}}), tiny=True
    )
    assert recipe.data.limit == 16
    assert recipe.teacher.training.epochs == 1
    assert recipe.student.training.epochs == 2
    assert recipe.seeds == [4]


def test_tiny_fits_any_schedule():
    training = {"epochs": 30, "schedule": "cosine", "warmup_epochs": 5}
    recipe = recipe_from(
        page(teacher__training=training, student__training=training), tiny=True
    )
    assert recipe.teacher.training.epochs == 1


def test_without_data_tiny_takes_phantoms_and_no_published_weights():
    recipe = page(
        teacher__weights="imagenet",
        student__weights="imagenet",
        external=[{"source": "elsewhere"}],
        data__test=0.2,
        tiny={"data": {"limit": 3}},
        without_data={"data": {"classes": ["glioma", "notumor"]}},
    )
    trial = recipe_from(recipe, tiny=True, with_data=False)
    assert trial.data.source == "phantom" and trial.data.limit == 3
    assert trial.data.classes == ["glioma", "notumor"]
    assert trial.teacher.weights is None and trial.student.weights is None
    # The folders of the phantoms are training and test already.
    assert trial.external == [] and trial.data.test is None
    given = recipe_from(recipe, tiny=True)
    assert given.data.source == "mri" and given.data.classes is None
    assert given.teacher.weights == given.student.weights == "imagenet"
    # Only `--tiny` may take phantoms in place of data that are not there.
    assert recipe_from(recipe, with_data=False).data.source == "mri"


def test_without_data_a_tiny_segmentation_takes_phantom_cases():
    recipe = page(task="segmentation", data__test=0.2)
    trial = recipe_from(recipe, tiny=True, with_data=False)
    assert "shape" in trial.data.phantom and trial.data.test == 0.2


def test_tiny_changes_nothing_of_a_teacher_that_is_not_there():
    alone = page(tiny={"teacher": {"image_size": 32}})
    del alone["teacher"]
    for given in (True, False):
        assert recipe_from(alone, tiny=True, with_data=given).teacher is None


def test_a_mistake_in_what_tiny_says_is_told():
    with pytest.raises(RecipeError, match=r"\(tiny\): unknown key 'data\.limt'"):
        recipe_from(page(tiny={"data": {"limt": 3}}), tiny=True)


def test_trained_teachers_take_the_place_of_the_recipes(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(PAGE)
    for tiny in (False, True):
        recipe = load_recipe(path, teacher_files=[tmp_path / "t.keras"], tiny=tiny)
        assert recipe.teacher.model is None
        assert recipe.teacher.files == [str(tmp_path / "t.keras")]


def test_images_from_elsewhere_come_from_the_page_and_the_command(tmp_path):
    recipe = recipe_from(
        page(external=[{"source": "scans", "classes": {"yes": ["a", "b"], "no": "c"}}])
    )
    more = with_external(recipe, [tmp_path / "other"])
    assert [one.source for one in more.external] == ["scans", str(tmp_path / "other")]
    assert more.external[0].classes == {"yes": ["a", "b"], "no": "c"}
    path = save_recipe(more, tmp_path / "recipe.yaml")
    assert load_recipe(path) == more


# Networks without a teacher, weights the other way round ---------------------------


def test_a_recipe_may_do_without_a_teacher():
    alone = page()
    del alone["teacher"]
    assert recipe_from(alone).teacher is None
    with pytest.raises(RecipeError, match="`distillation` says how a teacher teaches"):
        recipe_from(alone | {"distillation": {"temperature": 2}})
    with pytest.raises(RecipeError, match="needs a `teacher`"):
        recipe_from(alone | {"task": "segmentation"})


def test_the_weight_of_the_teacher_is_the_weight_of_the_labels_turned_round(tmp_path):
    recipe = recipe_from(page(distillation__teacher_loss_weight=0.7))
    assert recipe.distillation.student_loss_weight == 0.3
    assert recipe_from(page()).distillation.student_loss_weight == 0.5
    assert load_recipe(save_recipe(recipe, tmp_path / "recipe.yaml")) == recipe
    text = refusal(
        distillation={"student_loss_weight": 0.5, "teacher_loss_weight": 0.5}
    )
    assert "one number said in two ways" in text
    assert "from 0 to 1" in refusal(distillation__teacher_loss_weight=1.5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"heat_maps": ["gradcam"]}, "`heat_maps` belongs to"),
        ({"student__head_epochs": 1}, "`student.head_epochs` belongs to"),
        ({"teacher__head_epochs": 1}, "`teacher.head_epochs` belongs to"),
        ({"data__copies_together": True}, "`data.copies_together` belongs to"),
    ],
)
def test_what_only_images_have_is_refused_for_volumes(changes, reason):
    assert reason in refusal(task="segmentation", **changes)


def test_what_cannot_go_together_is_refused():
    assert "needs the audit" in refusal(data__copies_together=True, data__audit=False)
    text = refusal(teacher__model=None, teacher__file="t.h5", teacher__head_epochs=2)
    assert "no `head_epochs`" in text
    assert "gradcam_plus_plus" in refusal(heat_maps=["gradcam_plusplus"])


# Sweeps ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("temperature=2,4,8", "distillation.temperature", [2, 4, 8]),
        ("student_loss_weight=0.1", "distillation.student_loss_weight", [0.1]),
        ("learning_rate=1e-3,1e-4", "student.training.learning_rate", [1e-3, 1e-4]),
        ("image_size=96,128", "student.image_size", [96, 128]),
        ("student.options.alpha=0.35,0.5", "student.options.alpha", [0.35, 0.5]),
        ("augmentation=flip,full", "augmentation", ["flip", "full"]),
    ],
)
def test_a_sweep_finds_its_key(text, key, values):
    assert parse_sweep(text) == (key, values)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("temperature", "KEY=VALUE"),
        ("temperature=", "KEY=VALUE"),
        ("teacher.model=resnet50", "one student for each value"),
        ("data.limit=3,4", "one student for each value"),
        ("seed=1,2", "one student for each value"),
        ("temperature=2,2", "twice"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(text, reason):
    with pytest.raises(RecipeError, match=reason):
        parse_sweep(text)


def test_a_grid_has_every_combination_the_last_key_fastest():
    assert grid([("a", [1, 2]), ("b", [3, 4])]) == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]


def test_a_key_swept_twice_is_refused():
    with pytest.raises(RecipeError, match="twice"):
        grid([("a", [1]), ("a", [2])])


def test_the_recipes_that_come_with_kerakd_are_valid():
    from importlib.resources import files
    from pathlib import Path

    root = Path(__file__).parents[1]
    pages = [Path(str(files("kerakd") / "demo.yaml"))]
    pages += sorted((root / "experiments").glob("*.yaml"))
    for path in pages:
        assert isinstance(load_recipe(path), Recipe)
        assert isinstance(load_recipe(path, tiny=True), Recipe)
