"""What a data set hides: copies, contradictions, shortcuts, odd files.

`kerakd.data.audit` is the function; the parts are

    gather      a folder -> a table of samples
    marks       one pass over the files: pixel hash, thumbnail, statistics, format
    index       thumbnails -> pairs that may be copies, through a k-d tree
    confirm     the same pairs at 128 pixels -> those that are copies
    clusters    pairs -> groups of copies; what a test set shares with training
    origins     JPEG tables, mode, size: do they tell the class?
    probe       how far border pixels and global statistics alone get
    odd         files unlike the others, balance of the classes
    summary     all of it as numbers
    words       the numbers as sentences
    sheets      pairs and clusters as pictures
    result      the `Audit`: tables, numbers, files
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerakd.data.audit.result import Audit
    from kerakd.data.samples import Samples


def audit(
    source: "str | os.PathLike | Samples",
    *,
    groups=None,
    aliases: bool = False,
    probe: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> "Audit":
    """Look for what makes a test result look better than it is, before training.

    Args:
        source: A folder (class folders, split folders with class folders, patients'
            slices with `_mask` files, or images alone), or a table of samples whose
            images are on this machine.
        groups: Which images are of one patient, as in `load_images`; by default what
            the samples say.
        aliases: As in `load_images`.
        probe: Whether to train the shortcut probe (random forests on statistics).
        seed: Of the probe.
        progress: Whether to show bars; by default for many files on a terminal.

    Returns:
        An `Audit`: `clusters`, `pairs`, `summary`, `save(folder)`.

    Raises:
        DataError: There are no images to audit, or files change under our hands.

    Example:

    ```python
    found = kerakd.data.audit("brain-tumor-mri")
    print(*found.sentences, sep="\\n")
    found.save("runs/audit")
    samples = kerakd.data.split(samples, clusters=found.clusters, grouped=True)
    ```
    """
    # The parts load pandas, SciPy and scikit-learn.
    from kerakd.data.audit.perform import perform

    return perform(
        source,
        groups=groups,
        aliases=aliases,
        with_probe=probe,
        seed=seed,
        progress=progress,
    )
