"""The kinds of random bases that `RandomBases` can work in."""

from collections.abc import Callable
from typing import NamedTuple

from keras_efficient.ops.sketches import (
    gaussian_expand,
    gaussian_project,
    srht_expand,
    srht_project,
    strided_expand,
    strided_project,
)


class Basis(NamedTuple):
    """A kind of basis: `project(x, layout, seed, salt)` and `expand(coordinates, layout, seed, salt)`."""

    project: Callable
    expand: Callable


def _plain(project, expand):
    return Basis(
        lambda x, layout, seed, salt: project(x, layout.dimensions, seed, salt),
        lambda coordinates, layout, seed, salt: expand(coordinates, layout.size, seed, salt),
    )


BASES = {
    "strided": Basis(
        lambda x, layout, seed, salt: strided_project(x, layout.dimensions, seed, salt, layout.bucket_sizes),
        lambda coordinates, layout, seed, salt: strided_expand(
            coordinates, layout.size, seed, salt, layout.bucket_sizes
        ),
    ),
    "srht": _plain(srht_project, srht_expand),
    "gaussian": _plain(gaussian_project, gaussian_expand),
}
