"""Draw the pictures of docs/storage.md, into docs/pictures/. All that they show is computed by the package.

python scripts/storage_pictures.py [--out DIR]
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from keras_efficient.networks.build import MNIST_2KB
from keras_efficient.storage import exact_slack
from keras_efficient.storage.planner.occupancy import deaths_by_pixel
from keras_efficient.storage.sparse import encodings, kernel_streams
from measuring.results import ROOT
from pages.arena_frames import SUMS, UNIT, Arena, layouts_of_orders, live_cells

INK, MUTED, LINE, DEAD, FREE = "#18222d", "#5c6976", "#c9d1d9", "#c4ccd4", "#ffffff"
INPUT, OUTPUT = "#3f78ad", "#e0702c"
MAPS = ["#3f78ad", "#e0702c", "#4a9a62", "#8a63b0", "#c74e67", "#18222d"]
SETTINGS = {
    "svg.hashsalt": "keras_efficient",  # ids would be random otherwise
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
WIDTH = 7.3  # inches: at 96 dots each 700 pixels, so that a point is a point
SECOND = 1  # the number of the convolution of 8 filters: the one that needs most
ACROSS = 30  # units of the arena in a row of the first picture
SHAPES = ("14 × 14 × 1", "12 × 12 × 5", "10 × 10 × 8", "8 × 8 × 11", "4 × 4 × 11", "10 logits")
NARROW = 30  # bytes: the name of a map does not fit into it
LAYERS = ("input arrives", "C 5", "C 8", "C 11", "M 2", "S 10")


def overwriting(arena):
    """The input map and the arena at four moments of a convolution."""
    placed, frames = arena.plan.steps[SECOND], list(arena.running(SECOND))
    peak = int(np.argmax([np.count_nonzero(frame > 0) for frame in frames]))
    moments = (5, 36, 62, peak)
    figure = Figure((WIDTH, 4.3), layout="constrained")
    axes = figure.subplots(2, len(moments), height_ratios=[1, 1.05])
    for column, moment in enumerate(moments):
        axes[0, column].set_title(f"output {moment} of {len(frames) - 1}{', the most' * (moment == peak)}")
        draw_map(axes[0, column], placed, moment - 1)
        draw_arena(axes[1, column], frames[moment], SECOND)
        axes[1, column].set_xlabel(f"{np.count_nonzero(frames[moment] > 0)} cells alive")
    axes[0, 0].set_ylabel("the input map,\n12 × 12 pixels")
    axes[1, 0].set_ylabel(f"the arena,\n{arena.units} cells of 4 bits")
    names = {INPUT: "input, still read", DEAD: "input, dead", OUTPUT: "output", FREE: "free"}
    handles = [Patch(facecolor=colour, edgecolor=MUTED, linewidth=0.5, label=name) for colour, name in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_map(axes, placed, output):
    """The pixels of the input: still read or dead; the window of the output in question."""
    layout, step = placed.target_layout, placed.step
    row, column = (int(place[0]) for place in np.nonzero(layout.addresses == output))
    deaths = deaths_by_pixel(step, layout).reshape(step.source.shape[:2])
    axes.imshow(deaths >= output, cmap=ListedColormap([DEAD, INPUT]), vmin=0, vmax=1)
    separate(axes, deaths.shape)
    size = step.kernel_size[1], step.kernel_size[0]
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), *size, fill=False, edgecolor=INK, linewidth=2, zorder=3))


def draw_arena(axes, frame, number):
    """The units of the arena in lines, from the first one on."""
    shown = np.select([frame == number + 1, frame == number + 2, frame < 0], [1, 2, 3], 0).reshape(-1, ACROSS)
    axes.imshow(shown, cmap=ListedColormap([FREE, INPUT, OUTPUT, DEAD]), vmin=0, vmax=3)
    separate(axes, shown.shape)


def separate(axes, shape):
    """Thin lines between the cells of an image, and no ticks."""
    axes.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FREE, linewidth=0.5)
    axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=MUTED)


def orders(arena):
    """The four orders of one convolution, and the cells alive over time in each."""
    step = arena.plan.steps[SECOND].step
    figure = Figure((WIDTH, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 4, height_ratios=[1, 1.9])
    plot = figure.add_subplot(grid[1, :])
    styles = {"row": "-", "column": (0, (4, 3)), "transpose": "-", "herringbone": "-"}
    colours = dict(zip(styles, (MAPS[0], MAPS[5], MAPS[2], MAPS[1]), strict=True))
    for place, (name, layout) in enumerate(layouts_of_orders(step).items()):
        draw_order(figure.add_subplot(grid[0, place]), layout, name, colours[name])
        draw_life(plot, step, layout, name, styles[name], colours[name])
    plot.set_xlabel("outputs done (pixels of 8 channels)")
    plot.set_ylabel("cells alive")
    plot.set_xlim(0, len(layout.order) + 1)
    plot.set_ylim(top=945)
    plot.legend(loc="upper left", frameon=False)
    return figure


def draw_order(axes, layout, name, colour):
    """The way through the output map; the darker a pixel, the later it is made."""
    axes.imshow(layout.addresses, cmap=matplotlib.colormaps["Greys"], vmin=0, vmax=220)
    separate(axes, layout.addresses.shape)
    axes.plot(layout.order % layout.columns, layout.order // layout.columns, color=colour, linewidth=1.2)
    axes.set_title(name, color=colour)


def draw_life(axes, step, layout, name, style, colour):
    """Cells alive at each output; the largest number is marked, and is that of `exact_slack`."""
    live = live_cells(step, layout)
    slack = exact_slack(step.source.shape, step.target.shape, step.kernel_size, step.strides, order=name)
    if live.max() != step.source.cells + slack:
        raise AssertionError(f"{name}: {live.max()} cells, but exact_slack gives {step.source.cells + slack}")
    most = int(live.argmax())
    label = f"{name}: at most {live.max()} cells, {live.max() * step.source.bits / 8:g} bytes"
    axes.plot(np.arange(1, len(live) + 1), live, linestyle=style, color=colour, linewidth=1.6, label=label)
    axes.plot(most + 1, live.max(), "o", color=colour, markersize=6)


def layers(arena):
    """The arena across, time downward: what every byte holds while the network computes one image."""
    moments = [list(arena.filling()), *(list(arena.running(number)) for number in range(len(arena.plan.steps)))]
    figure = Figure((WIDTH, 6.2), layout="constrained")
    axes = figure.subplots(len(moments), 1, sharex=True)
    for number, (ax, frames) in enumerate(zip(axes, moments, strict=True)):
        image = np.select([np.stack(frames) == k + 1 for k in range(len(MAPS))], range(1, len(MAPS) + 1), 0)
        image = np.where(np.stack(frames) == SUMS, len(MAPS) + 1, image)
        colours = ListedColormap([FREE, *MAPS, DEAD])
        bytes_across = arena.units * UNIT / 8
        ax.imshow(image, aspect="auto", cmap=colours, vmin=0, vmax=len(MAPS) + 1, extent=(0, bytes_across, 1, 0))
        name_maps(ax, image)
        most = max(np.count_nonzero(frame) for frame in image) * UNIT / 8
        ax.set_ylabel(LAYERS[number], rotation=0, ha="right", va="center", color=INK)
        ax.set_yticks([])
        ax.text(1.01, 0.5, f"at most\n{most:g} bytes", transform=ax.transAxes, va="center")
        if SUMS in frames[0]:
            ax.text(3, 0.5, "sums", va="center", fontsize=8)
        for spine in ax.spines.values():
            spine.set(visible=True, color=MUTED)
    axes[-1].set_xticks([0, 100, 200, 300, 400])
    axes[-1].set_xlabel("byte of the arena; time runs downward in each layer")
    return figure


def name_maps(axes, image):
    """The shape of each map where it has most room."""
    for number, shape in enumerate(SHAPES, start=1):
        widths = np.count_nonzero(image == number, axis=1)
        if not widths.any():
            continue
        row = int(np.flatnonzero(widths == widths.max()).mean())
        middle = np.flatnonzero(image[row] == number).mean() * UNIT / 8
        height = min(max((row + 0.5) / len(image), 0.15), 0.85)
        if widths.max() * UNIT / 8 < NARROW:
            axes.annotate(shape, (0, height), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=8)
        else:
            axes.text(middle, height, shape, color=FREE, ha="center", va="center", fontsize=8)


def encodings_of_kernels():
    """Bytes of a kernel of 64 x 64 numbers in the three encodings, by its share of zeros."""
    figure = Figure((WIDTH, 3.4), layout="constrained")
    plots = figure.subplots(1, 2, sharey=True)
    for axes, bits in zip(plots, (4, 8), strict=True):
        draw_encodings(axes, bits)
    plots[0].set_ylabel("bytes, 100 is dense")
    plots[0].legend(loc="lower left", frameon=False)
    return figure


def draw_encodings(axes, bits):
    """One width of numbers."""
    shares, sizes = np.arange(0, 100) / 100, {"dense": [], "bitmask": [], "relative index": []}
    for share in shares:
        for name, least in smallest_of_each(share, bits).items():
            sizes[name].append(least)
    dense = sizes["dense"][0]
    for (name, values), colour in zip(sizes.items(), (MAPS[5], MAPS[0], MAPS[1]), strict=True):
        axes.plot(100 * shares, 100 * np.asarray(values) / dense, color=colour, linewidth=1.6, label=name)
    best = np.argmin([*sizes.values()], axis=0)
    for name, after in (("bitmask", 0), ("relative index", 1)):
        change = int(np.flatnonzero(best > after)[0])
        height = 100 * min(values[change] for values in sizes.values()) / dense
        axes.plot(100 * shares[change], height, "o", color=INK, markersize=5)
        axes.text(100 * shares[change] + 2, height + 3, f"{name}\nfrom {100 * shares[change]:.0f} %", va="bottom")
    axes.set_title(f"numbers of {bits} bits")
    axes.set_xlabel("zeros in the kernel, %")
    axes.set_ylim(0, 160)
    axes.set_xlim(0, 100)


def smallest_of_each(share, bits):
    """{name: bits} of a kernel whose zeros lie at random."""
    random = np.random.default_rng(0)
    kernel = np.ones(64 * 64)
    kernel[random.permutation(kernel.size)[: round(share * kernel.size)]] = 0
    least = {}
    for encoding in encodings(kernel_streams(kernel.reshape(64, 64), bits), bits):
        least[encoding.name] = min(encoding.bits, least.get(encoding.name, encoding.bits))
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures", help="folder of the pictures")
    directory = parser.parse_args().out
    directory.mkdir(parents=True, exist_ok=True)
    arena = Arena.of(MNIST_2KB, (28, 28, 1))
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **SETTINGS}):
        pictures = {
            "overwriting": overwriting(arena),
            "orders": orders(arena),
            "arena": layers(arena),
            "encodings": encodings_of_kernels(),
        }
        for name, figure in pictures.items():
            figure.savefig(directory / f"{name}.svg", metadata={"Date": None, "Creator": None})
            print(f"{name}.svg", (directory / f"{name}.svg").stat().st_size)


if __name__ == "__main__":
    main()
