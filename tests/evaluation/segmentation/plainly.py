"""The metrics a second time, by definition and without hurry."""

import itertools

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist


def voxels(mask):
    return set(map(tuple, np.argwhere(mask).tolist()))


def dice(truth, said):
    a, b = voxels(truth), voxels(said)
    return 2 * len(a & b) / (len(a) + len(b))


def surface(mask):
    """Voxels with a face to the outside or to nowhere."""
    inside = voxels(mask)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=mask.ndim)]
    steps = [s for s in steps if sum(map(abs, s)) == 1]
    return [
        v
        for v in sorted(inside)
        if any(tuple(np.add(v, s)) not in inside for s in steps)
    ]


def distances(truth, said, spacing):
    a, b = (np.array(surface(m)) * spacing for m in (truth, said))
    table = cdist(a, b)
    return table.min(axis=1), table.min(axis=0)


def distances_by_transform(truth, said, spacing):
    """The same from distance maps: another way, quick enough for real masks."""
    found = []
    for one, other in ((truth, said), (said, truth)):
        edges = []
        for mask in (one, other):
            padded = np.pad(mask, 1)
            cross = ndimage.generate_binary_structure(mask.ndim, 1)
            least = ndimage.minimum_filter(padded, footprint=cross)
            edges.append((padded & ~least)[(slice(1, -1),) * mask.ndim])
        far = ndimage.distance_transform_edt(~edges[1], sampling=spacing)
        found.append(far[edges[0]])
    return found


def hd95(pair):
    return max(np.percentile(d, 95) for d in pair)


def surface_dice(pair, tolerance):
    near = np.concatenate(pair) <= tolerance
    return near.mean()


def components(mask):
    """Sets of voxels that touch by face, edge or corner, by walking."""
    left, found = voxels(mask), []
    while left:
        todo, piece = [left.pop()], set()
        while todo:
            v = todo.pop()
            piece.add(v)
            for step in itertools.product((-1, 0, 1), repeat=3):
                n = tuple(np.add(v, step).tolist())
                if n in left:
                    left.remove(n)
                    todo.append(n)
        found.append(piece)
    return found


def grown(inside, shape, times):
    """Voxels within `times` steps by face or edge."""
    steps = [
        s for s in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, s)) <= 2
    ]
    for _ in range(times):
        inside = {
            n
            for v in inside
            for s in steps
            for n in [tuple(np.add(v, s).tolist())]
            if all(0 <= c < m for c, m in zip(n, shape, strict=True))
        }
    return inside


def as_mask(inside, shape):
    mask = np.zeros(shape, bool)
    mask[tuple(np.array(sorted(inside)).T)] = True
    return mask


def lesion_wise(truth, said, spacing, growth=3, smallest=50.0):
    """Dice, HD95, found, missed, false alarms."""
    shape, volume = truth.shape, np.prod(spacing)
    pieces = components(said)
    true = voxels(truth)
    wide = components(as_mask(grown(true, shape, growth), shape)) if true else []
    dices, lengths, touched, missed = [], [], set(), 0
    for lesion in (piece & true for piece in wide):
        near = grown(lesion, shape, growth)
        met = [i for i, piece in enumerate(pieces) if piece & near]
        touched |= set(met)
        if len(lesion) * volume <= smallest:
            continue
        union = set().union(*(pieces[i] for i in met)) if met else set()
        dices.append(2 * len(lesion & union) / (len(lesion) + len(union)))
        if not met:
            missed += 1
            lengths.append(374.0)
            continue
        pair = distances(as_mask(lesion, shape), as_mask(union, shape), spacing)
        lengths.append(hd95(pair))
    alarms = len(pieces) - len(touched)
    count = len(dices) + alarms
    if not count:
        return 1.0, 0.0, 0, 0, 0
    return (
        sum(dices) / count,
        (sum(lengths) + 374.0 * alarms) / count,
        len(dices) - missed,
        missed,
        alarms,
    )
