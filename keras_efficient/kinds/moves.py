"""Layers that move numbers to other places, or only rename these."""

import math
from collections.abc import Callable, Sequence

from keras_efficient.kinds.fields import check_integer, check_pair, check_size, required
from keras_efficient.kinds.kind import CHANNELS, MOVES, RENAMES, Kind, Price
from keras_efficient.kinds.measures import Config, FeatureMap, Shape, same_bits
from keras_efficient.kinds.steps import CellStep, MoveStep, Step, Way
from keras_efficient.kinds.windows import check_channels_last, first_of, rank_checked, read_border, read_ends

IMAGE_AXES = 3
# Along each axis of an input: the way, and the places of the output (None: unknown; 0: the axis is dropped).
Ways = tuple[tuple[Way, int | None], ...]


def _flatten_shape(config: Config, shape: Shape) -> Shape:
    return (None,) if None in shape else (math.prod(shape),)


def _reshape_shape(config: Config, shape: Shape) -> Shape:
    """One size of `target_shape` may be -1: it takes what the other sizes leave."""
    target = required(config, "target_shape")
    if not isinstance(target, (list, tuple)):
        raise ValueError(f"target_shape must be a list of integers. Received: {target!r}")
    target = tuple(check_integer(size, "target_shape") for size in target)
    if None in shape:
        return tuple(None if size == -1 else size for size in target)
    cells, given = math.prod(shape), math.prod(size for size in target if size != -1)
    if target.count(-1) == 1 and given > 0 and cells % given == 0:
        target = tuple(cells // given if size == -1 else size for size in target)
    if min(target, default=1) < 1 or math.prod(target) != cells:
        raise ValueError(f"target_shape {target} does not hold the {cells} numbers of the input {shape}")
    return target


def _bordered(key: str, sign: int, rank: int) -> Callable[[Config, Shape], Ways]:
    """Zeros around the places (sign 1), or places that are cut off (-1)."""

    def ways(config: Config, shape: Shape) -> Ways:
        rank_checked(shape, rank)
        check_channels_last(config)
        value = config.get(key, 1 if sign > 0 else 0)
        border: Sequence = read_border(value, key) if rank == IMAGE_AXES else (read_ends(value, key),)
        sides = zip(shape, border, strict=False)
        return tuple(
            (Way(axis, -sign * before), None if size is None else size + sign * (before + after))
            for axis, (size, (before, after)) in enumerate(sides)
        ) + _unmoved(shape, rank - 1)

    return ways


def repeated(rank: int) -> Callable[[Config, Shape], Ways]:
    """Each place several times, as nearest up-sampling does."""

    def ways(config: Config, shape: Shape) -> Ways:
        rank_checked(shape, rank)
        check_channels_last(config)
        if config.get("interpolation", "nearest") != "nearest":
            raise ValueError(f"interpolation must be 'nearest'. Received: {config['interpolation']!r}")
        size = config.get("size", 2)
        times = check_pair(size, "size") if rank == IMAGE_AXES else (check_size(first_of(size), "size"),)
        counted = zip(shape, times, strict=False)
        return tuple(
            (Way(axis, repeat=count), None if places is None else places * count)
            for axis, (places, count) in enumerate(counted)
        ) + _unmoved(shape, rank - 1)

    return ways


def _permuted(config: Config, shape: Shape) -> Ways:
    dims = tuple(required(config, "dims"))
    if sorted(dims) != list(range(1, len(shape) + 1)):
        raise ValueError(f"dims must hold each of the axes 1 to {len(shape)} once. Received: {dims}")
    return tuple((Way(axis - 1), shape[axis - 1]) for axis in dims)


def sliced(config: Config, shape: Shape) -> Ways:
    """`slices`: (first place, step, places) along each axis; of no places, the axis is dropped."""
    if "slices" not in config:
        raise ValueError("a slice is read where it has whole numbers and slices of known axes, or new axes alone")
    slices = config["slices"]
    return tuple((Way(axis, first, step), count) for axis, (first, step, count) in enumerate(slices))


def _unmoved(shape: Shape, axis: int) -> Ways:
    return ((Way(axis), shape[axis]),)


def _shape_of(ways: Callable[[Config, Shape], Ways]) -> Callable[[Config, Shape], Shape]:
    return lambda config, shape: tuple(size for _, size in ways(config, shape) if size != 0)


def _image_ways(ways: Ways, shape: Shape) -> tuple[Way, ...]:
    """The ways along rows, columns and channels: signals are images of one row, vectors of one pixel. An axis of the
    input that is dropped goes before all others, where the output has one place."""
    added = IMAGE_AXES - len(shape)
    moved = [(way._replace(source=way.source + added), size) for way, size in ways]
    dropped = [Way(axis) for axis in range(added)] + [way for way, size in moved if size == 0]
    return (*dropped, *(way for way, size in moved if size != 0))


def move(ways: Callable[[Config, Shape], Ways], prunes: str | None = CHANNELS) -> Kind:
    """A kind of layer that moves cells."""

    def steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
        down, across, through = _image_ways(ways(config, source.shape), source.shape)
        return (MoveStep(source.as_image, target.as_image, (down, across, through)),)

    return Kind(MOVES, _shape_of(ways), price=Price(same_bits, steps), form="Move", prunes=prunes)


def _renamed_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (MoveStep(source.as_image, target.as_image, None),)


def in_place(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (CellStep(source.as_image, target.as_image),)


def passed_on(config: Config) -> str:
    return "pixels"


def _repeated_vector(config: Config, shape: Shape) -> Shape:
    if len(shape) != 1:
        raise ValueError(f"the layer needs an input (features,). Received: {shape}")
    return (check_size(required(config, "n"), "n"), *shape)


def _repeated_vector_steps(config: Config, source: FeatureMap, target: FeatureMap) -> tuple[Step, ...]:
    return (MoveStep(source.as_image, target.as_image, (Way(0), Way(1, repeat=config["n"]), Way(2))),)


UNMOVED = Price(same_bits, in_place, streams=passed_on)
LAYERS = {
    "Flatten": Kind(RENAMES, _flatten_shape, price=UNMOVED, form="", is_head=True),
    "Reshape": Kind(RENAMES, _reshape_shape, price=Price(same_bits, _renamed_steps), form="Move", is_head=True),
    "Permute": move(_permuted, prunes=None),
    **{f"ZeroPadding{d}D": move(_bordered("padding", 1, d + 1)) for d in (1, 2)},
    **{f"Cropping{d}D": move(_bordered("cropping", -1, d + 1)) for d in (1, 2)},
    **{f"UpSampling{d}D": move(repeated(d + 1)) for d in (1, 2)},
    "RepeatVector": Kind(MOVES, _repeated_vector, price=Price(same_bits, _repeated_vector_steps), form="Move"),
    **dict.fromkeys(("ZeroPadding3D", "Cropping3D", "UpSampling3D"), Kind(MOVES, prunes=CHANNELS)),
}
# Slices, and the functions that are written down as slices.
OPS = {"GetItem": move(sliced, prunes=None)}
