"""The numbers of an audit as sentences, the gravest first."""

from kerakd.data.remarks import remarks

WARNING, NOTE = "warning", "note"
# From here on above chance, a source or a shortcut is worth a warning.
_TELLING = 0.1
_AUC = 0.9
_PROBES = {
    "border pixels": "The border pixels",
    "global statistics": "Ten global statistics of the grey values",
    "file facts": "The file's size, format and mode",
    "all": "All of these together",
}
_ODD = {
    "flat": ("shows one grey and nothing else", "show one grey and nothing else"),
    "misnamed": (
        "has a suffix of another format than its content",
        "have a suffix of another format than their content",
    ),
    "turned by EXIF": ("is turned by its EXIF entry", "are turned by an EXIF entry"),
    "several frames": (
        "holds several frames, of which the first is used",
        "hold several frames, of which the first is used",
    ),
    "under 32 pixels": ("is under 32 pixels", "are under 32 pixels"),
    "elongated": (
        "is more than twice as elongated as usual",
        "are more than twice as elongated as usual",
    ),
    "rare mode": (
        "has a colour mode that fewer than 1% have",
        "have a colour mode that fewer than 1% have",
    ),
    "rare size": (
        "has a size that fewer than 1% have",
        "have sizes that fewer than 1% have",
    ),
}


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
    _origins(summary["origins"], say)
    _probe(summary["probe"], say)
    _balance(summary["balance"], say)
    _odd(summary["odd"], say)
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
            gone = [k for k, v in one["without_copy_by_class"].items() if not v]
            if gone and one["without_copy"]:
                say(
                    WARNING,
                    "leak",
                    f"No {split} image of {', '.join(gone)} is without a copy, so that "
                    f"the {split} images without a copy leave that out; use a grouped "
                    "split (kerakd split --grouped) to judge all classes.",
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
            f"{copies['crowded_images']} images look like more than 256 others; some "
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


def _origins(origins: dict, say) -> None:
    for what, column in (("class", "label"), ("split", "split")):
        # The mark that tells most, and only where it tells something.
        known = {k: v[column] for k, v in origins.items() if v[column] is not None}
        if not known:
            continue
        name = max(known, key=lambda one: known[one]["accuracy"])
        best = known[name]
        if best["accuracy"] > best["chance"] + _TELLING:
            marks = "encoding, mode and size" if name == "all of these" else f"{name}"
            say(
                WARNING,
                "origins",
                f"The {marks} of a file alone names its {what} in "
                f"{100 * best['accuracy']:.1f}% of cases (the commonest {what} is "
                f"{100 * best['chance']:.1f}%): classes come from different sources, "
                "and a network may learn the source.",
            )


def _probe(probe: dict, say) -> None:
    if "skipped" in probe:
        say(NOTE, "shortcuts", f"No shortcut probe: {probe['skipped']}.")
        return
    for name, one in probe["probes"].items():
        label, best = max(one["classes"].items(), key=lambda item: item[1]["auc"])
        far = one["balanced_accuracy"] > probe["balanced_chance"] + 2 * _TELLING
        say(
            WARNING if far or best["auc"] > _AUC else NOTE,
            "shortcuts",
            f"{_PROBES[name]} alone name the class in {100 * one['accuracy']:.1f}% "
            f"(balanced {100 * one['balanced_accuracy']:.1f}%, chance "
            f"{100 * probe['balanced_chance']:.1f}%); {label} against the rest in "
            f"{100 * best['accuracy']:.1f}% (always saying the commoner side: "
            f"{100 * best['chance']:.1f}%), ROC-AUC {best['auc']:.3f}.",
        )


def _balance(balance: dict, say) -> None:
    ratio = balance["largest_to_smallest"]
    counted = ", ".join(f"{k} {v}" for k, v in balance["by_class"].items())
    if len(balance["by_class"]) > 1:
        say(
            WARNING if ratio > 3 else NOTE,
            "balance",
            f"Images by class: {counted}; the largest is {ratio:.1f} times the "
            "smallest.",
        )


def _odd(odd: dict, say) -> None:
    for kind, one in odd["kinds"].items():
        number, examples = one["count"], ", ".join(one["examples"][:3])
        verb = _many(number, _ODD[kind][0], _ODD[kind][1])
        files = f"{number} {_many(number, 'file')}"
        say(NOTE, "odd files", f"{files} {verb} (such as {examples}).")
    if len(odd["modes"]) > 1:
        counted = ", ".join(f"{k} {v}" for k, v in odd["modes"].items())
        say(NOTE, "odd files", f"Colour modes are mixed: {counted}.")
    if len(odd["sizes"]) > 1:
        counted = ", ".join(f"{k} {v}" for k, v in list(odd["sizes"].items())[:5])
        more = " and others" if len(odd["sizes"]) > 5 else ""
        say(NOTE, "odd files", f"Sizes are mixed: {counted}{more}.")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"


def _many(number: int, one: str, more: str | None = None) -> str:
    return one if number == 1 else (more or f"{one}s")
