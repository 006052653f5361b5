"""The notes of a table of samples, in words."""

from kerakd.data.groups import first_of

_SKIPPED = {
    "hidden": "hidden",
    "non_image": "no image by name",
    "loose": "outside the class folders",
    "link_loop": "a link that leads back up",
}


def remarks(notes: dict) -> list[str]:
    """What a person should know about how a data set was read.

    Args:
        notes: `Samples.notes`.

    Returns:
        Sentences, none where all was as expected.
    """
    lines = []
    if notes.get("entered"):
        lines.append(f"The data set was found in the folder {notes['entered']}.")
    if notes.get("ignored_folders"):
        lines.append(f"Not used: the folders {', '.join(notes['ignored_folders'])}.")
    if notes.get("aliases"):
        renamed = [f"{old} as {new}" for old, new in notes["aliases"].items()]
        lines.append(f"Classes were read under other names: {', '.join(renamed)}.")
    if notes.get("left_out_classes"):
        left_out = ", ".join(notes["left_out_classes"])
        lines.append(f"Classes left out as asked: {left_out}.")
    for split, classes in notes.get("missing_classes", {}).items():
        lines.append(f"The {split} split has no {', '.join(classes)}.")
    skipped = notes.get("skipped", {})
    counted = [f"{skipped[k]} {v}" for k, v in _SKIPPED.items() if skipped.get(k)]
    if counted:
        examples = first_of(skipped["examples"], 3)
        lines.append(f"Files passed over: {', '.join(counted)} (such as {examples}).")
    if notes.get("bad"):
        bad = [f"{entry['id']} ({entry['reason']})" for entry in notes["bad"]]
        lines.append(f"Bad files left out ({len(bad)}): {first_of(bad)}.")
    if notes.get("dim_16_bit"):
        dim = notes["dim_16_bit"]
        lines.append(
            f"{len(dim)} 16-bit files use 12 bits or fewer and turn nearly black in "
            f"8 bits, so rescale them: {first_of(dim, 3)}."
        )
    for pair, number in notes.get("split", {}).get("shared_groups", {}).items():
        lines.append(f"{number} groups are in both {pair.replace('/', ' and ')}.")
    return lines
