"""One case: which files belong together, and whose they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kerakd.errors import DataError

MODALITIES = ("t1", "t1ce", "t2", "flair")

# What each layout says about its masks by itself; elsewhere the scheme has to be named.
SCHEME_OF_LAYOUT = {
    "brats2015": "brats2015",
    "brats2018-2021": "brats2018-2021",
    "kaggle_3m": "tumour-255",
}


class CaseError(DataError):
    """One case that cannot be used.

    Attributes:
        case: Its id.
        reason: What is wrong and what to do, without the name of the case.
    """

    def __init__(self, case: str, reason: str):
        super().__init__(f"Case {case}: {reason}.")
        self.case = case
        self.reason = reason


@dataclass(frozen=True)
class Source:
    """Where one modality is: a file, or one channel of it.

    Args:
        path: A NIfTI file, or the folder of a `kaggle_3m` case.
        channel: Of a 4-D file or a colour slice; None for a 3-D file.
    """

    path: Path
    channel: int | None = None


@dataclass(frozen=True)
class Case:
    """The files of one examination.

    Args:
        id: The same on every machine: the path below the data folder.
        group: The patient; several examinations of one patient share it.
        layout: `"brats2018-2021"`, `"brats2023"`, `"brats2015"`, `"decathlon"` or
            `"kaggle_3m"`.
        path: The folder of the case, or its 4-D file.
        images: Where each modality is, by its name (`t1`, `t1ce`, `t2`, `flair`).
        mask: The file of the truth, or the folder of its slices; None for none.
        brain: A file that is above 0 inside the brain, where the data bring one.
    """

    id: str
    group: str
    layout: str
    path: Path
    images: Mapping[str, Source] = field(default_factory=dict)
    mask: Path | None = None
    brain: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Every file of the case, sorted."""
        found = {source.path for source in self.images.values()}
        found |= {path for path in (self.mask, self.brain) if path is not None}
        files = set()
        for path in found:
            files |= set(path.glob("*.tif")) if path.is_dir() else {path}
        return sorted(files)

    def sources(self, modalities: tuple[str, ...]) -> list[Source]:
        """Where these modalities are.

        Raises:
            CaseError: The case lacks one.
        """
        missing = [name for name in modalities if name not in self.images]
        if missing:
            there = ", ".join(self.images) or "none"
            raise CaseError(
                self.id,
                f"it has no {' and no '.join(n.upper() for n in missing)} (found: "
                f"{there}); add the file, choose other modalities with modalities=, or "
                "leave the case out with skip_bad_cases",
            )
        return [self.images[name] for name in modalities]
