"""One experiment, typed and validated; read from a page of YAML.

Nothing here loads TensorFlow, so a mistake in a recipe is told at once.
"""

from kerakd.recipe.distilling import DistillationSection
from kerakd.recipe.load import load_recipe, recipe_from, save_recipe, with_external
from kerakd.recipe.schema import (
    DataSection,
    ExportSection,
    ExternalSection,
    NetworkSection,
    Recipe,
    TeacherSection,
)
from kerakd.recipe.volumes import VolumesSection

__all__ = [
    "DataSection",
    "DistillationSection",
    "ExportSection",
    "ExternalSection",
    "NetworkSection",
    "Recipe",
    "TeacherSection",
    "VolumesSection",
    "load_recipe",
    "recipe_from",
    "save_recipe",
    "with_external",
]
