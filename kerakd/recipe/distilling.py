"""The section of a recipe that says how the teacher teaches."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from kerakd.errors import RecipeError
from kerakd.recipe.typed import Range

Positive = Range(minimum=1)
Share = Annotated[float, Range(minimum=0, maximum=1)]


@dataclass(frozen=True)
class DistillationSection:
    """How the teacher teaches.

    Args:
        student_loss_weight: Weight of the labels, 0 to 1; the teacher has the rest.
            0.5 where neither this nor the next is given.
        teacher_loss_weight: The same said the other way round: weight of the teacher,
            as in `a * KD + (1 - a) * CE`; the labels have the rest. It is kept as
            `student_loss_weight`.
        temperature: Of every loss that takes one and sets none of its own: a number,
            or the Keras configuration of a schedule.
        losses: Each with the `name` of a loss in `kerakd.losses`, its `weight`
            (1 where left out) and its options.
        views: How many fixed augmented views of each image there are: the teacher
            looks at each once, and every epoch, seed and sweep reads what it said.
            Left out, every epoch draws new ones and asks the teacher again.
        cache_mode: `exact`, or `compact` for half the size and rounded logits.
        label_layer: The student's layer whose logits the labels teach, such as
            `class_logits` of DeiT; its output where left out.
        teacher_dtype: `bfloat16` for a teacher that computes in it, twice as fast on
            some processors and a little less exact; `float32` for one whose batch
            normalisation is folded into its convolutions, and no more.
    """

    student_loss_weight: Share | None = None
    teacher_loss_weight: Share | None = None
    temperature: Annotated[float, Range(above=0)] | dict[str, Any] = 4.0
    losses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "kl_divergence"}]
    )
    views: Annotated[int, Positive] | None = None
    cache_mode: Literal["exact", "compact"] = "exact"
    label_layer: str | None = None
    teacher_dtype: Literal["bfloat16", "float16", "float32"] | None = None

    def __post_init__(self):
        self._settle_weights()
        if not self.losses:
            raise RecipeError(
                "`losses` is empty; leave it out for `kl_divergence`, or set "
                "`student_loss_weight: 1` to train on labels alone."
            )
        for index, loss in enumerate(self.losses):
            if not isinstance(loss.get("name"), str):
                raise RecipeError(
                    f"`losses[{index}]` needs a `name`, such as `name: kl_divergence`."
                )
            weight = loss.get("weight", 1.0)
            if (
                isinstance(weight, bool)
                or not isinstance(weight, int | float)
                or weight < 0
            ):
                raise RecipeError(
                    f"`losses[{index}].weight` must be a number of at least 0, got "
                    f"{weight!r}."
                )

    def _settle_weights(self) -> None:
        labels, teacher = self.student_loss_weight, self.teacher_loss_weight
        if labels is not None and teacher is not None:
            raise RecipeError(
                "`student_loss_weight` (of the labels) and `teacher_loss_weight` are "
                "one number said in two ways, the one 1 less the other; give one of "
                "them."
            )
        if labels is None:
            # To twelve digits: 1 - 0.7 is no 0.3, and a person reads this number.
            labels = 0.5 if teacher is None else round(1.0 - teacher, 12)
        object.__setattr__(self, "student_loss_weight", labels)
        object.__setattr__(self, "teacher_loss_weight", None)
