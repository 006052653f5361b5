"""The methods that `kerakd benchmark methods` compares, weighed as in their papers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kerakd import losses
from kerakd.distillation.mean_teacher import MeanTeacher

# Layers of `plain_cnn`, of teacher and student alike.
MAPS, EMBEDDING = "pool4", "global_max"


@dataclass(frozen=True)
class Contender:
    """One method.

    Args:
        losses: Makes its losses.
        weights: Of the losses; all 1 where left out.
        teachers: How many teachers are asked; 0 for labels alone.
        online: A teacher that only exists while the student learns.
    """

    losses: Callable[[], list]
    weights: list[float] | None = None
    teachers: int = 1
    online: Any = field(default=None)


def _kl() -> Any:
    return losses.KLDivergence(4.0)


def contenders() -> dict[str, Contender]:
    """All methods by name; `alone` learns from labels only."""
    plain = {
        "kl_divergence": _kl,
        "kl_standardized": lambda: losses.KLDivergence(2.0, standardize=True),
        "dkd": losses.DKD,
        "nkd": losses.NKD,
        "dist": losses.DIST,
        "ofa": losses.OFA,
        "hard_label": losses.HardLabel,
    }
    # Beside KL; the weight of attention transfer is half its paper's beta, that of
    # similarity-preserving its gamma, and RKD's two are inside the loss.
    featured = {
        "hint": (1.0, lambda: losses.Hint(EMBEDDING, EMBEDDING)),
        "attention_transfer": (500.0, lambda: losses.AttentionTransfer(MAPS, MAPS)),
        "channelwise_kl": (1.0, lambda: losses.ChannelwiseKL(4.0, **_both(MAPS))),
        "similarity_preserving": (
            3000.0,
            lambda: losses.SimilarityPreserving(EMBEDDING, EMBEDDING),
        ),
        "rkd": (1.0, lambda: losses.RKD(EMBEDDING, EMBEDDING)),
    }
    found = {"alone": Contender(lambda: [_kl()], teachers=0)}
    for name, one in plain.items():
        found[name] = Contender(lambda one=one: [one()])
    for name, (weight, one) in featured.items():
        found[f"kl + {name}"] = Contender(
            lambda one=one: [_kl(), one()], weights=[1.0, weight]
        )
    found["two_teachers"] = Contender(lambda: [_kl()], teachers=2)
    found["born_again"] = Contender(lambda: [_kl()])
    found["mean_teacher"] = Contender(
        lambda: [losses.KLDivergence(1.0)], online=MeanTeacher(0.99)
    )
    return found


def names() -> list[str]:
    """The methods, in the order in which they are compared."""
    return list(contenders())


def _both(layer: str) -> dict[str, str]:
    return {"teacher_layer_name": layer, "student_layer_name": layer}
