"""The numbers of an audit as sentences, the gravest first."""

from kerakd.data.remarks import remarks

WARNING, NOTE = "warning", "note"


def findings(summary: dict) -> list[dict]:
    """What a person should know, as `{"level": ..., "about": ..., "text": ...}`.

    Args:
        summary: The numbers, without `findings`.
    """
    found = []

    def say(level: str, about: str, text: str) -> None:
        found.append({"level": level, "about": about, "text": text})

    _copies(summary["copies"], say)
    _patients(summary["patients"], say)
    for line in remarks({k: summary["data"][k] for k in ("skipped", "bad")}):
        say(NOTE, "files", line)
    return sorted(found, key=lambda one: one["level"] != WARNING)


def _copies(copies: dict, say) -> None:
    for split, one in copies["shared"].items():
        learnt = " and ".join(one["against"])
        if one["with_copy"]:
            say(
                WARNING,
                "leak",
                f"{one['with_copy']} of {one['images']} {split} images "
                f"({_percent(one['with_copy'], one['images'])}) have a copy in "
                f"{learnt} ({one['identical']} of them with the very same pixels); "
                f"only {one['without_copy']} can tell how a model does on pictures it "
                "has not seen.",
            )
        else:
            say(NOTE, "leak", f"No {split} image has a copy in {learnt}.")
    torn = copies["contradictions"]
    if torn["clusters"]:
        say(
            WARNING,
            "labels",
            f"{torn['clusters']} {_many(torn['clusters'], 'picture')} "
            f"({torn['images']} files) {_many(torn['clusters'], 'is', 'are')} filed "
            "under several classes at once; at most one of them is right.",
        )
    if copies["images"] > copies["distinct"]:
        say(
            WARNING if copies["shared"] else NOTE,
            "copies",
            f"The {copies['images']} files show {copies['distinct']} distinct "
            f"pictures: {copies['identical_redundant']} files repeat the pixels of "
            f"another (in {copies['identical_groups']} groups), the rest are mirrored, "
            "turned, recompressed or recoloured; the largest cluster holds "
            f"{copies['largest_clusters'][0]} files.",
        )
    else:
        say(NOTE, "copies", f"All {copies['images']} files show different pictures.")
    if copies["crowded_images"]:
        say(
            NOTE,
            "copies",
            f"{copies['crowded_images']} images look like more than 500 others; some "
            "of their copies may have been missed.",
        )


def _patients(patients: dict, say) -> None:
    if patients["in_several_splits"]:
        say(
            WARNING,
            "patients",
            f"{patients['in_several_splits']} of {patients['patients']} patients have "
            "images in more than one split, such as "
            f"{', '.join(patients['examples'][:3])}.",
        )
    elif patients["known"]:
        say(NOTE, "patients", f"The images come from {patients['patients']} patients.")
    else:
        say(
            NOTE,
            "patients",
            "Nothing says which images are of one patient; where file names do, give "
            "--groups.",
        )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"


def _many(number: int, one: str, more: str | None = None) -> str:
    return one if number == 1 else (more or f"{one}s")
