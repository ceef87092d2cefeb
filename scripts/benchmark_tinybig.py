"""A training step of tinyBIG's 9,330-parameter network: the package itself against keras_efficient, side by side.

Each side is a process of its own, so that neither's memory or threads touch the other's; they take turns, tinyBIG
before and after every other side, and a ratio is taken between neighbouring turns. tinyBIG needs an environment of
its own, since it pins an old torch:

    python3 -m venv tinybig && tinybig/bin/pip install tinybig==0.1.0.post9
    python scripts/benchmark_tinybig.py --tinybig tinybig/bin/python [--backends tensorflow,jax,torch] [--quick]

Sides of keras_efficient: the same network (layout "tinybig", 9,330 parameters, the same function), and the aligned
Kronecker one. `fit` with 64 steps in one call (torch: 1), compiled by XLA or not where there is a choice.
"""

import argparse
import statistics
import sys
from pathlib import Path

from measuring.results import write_results
from peers.serving import ServingProcess

SIDES = Path(__file__).parent / "peers" / "tinybig_sides.py"
STEPS = {"tinybig_package": 4, "torch": 64, "tensorflow": 128, "jax": 128}


class Side(ServingProcess):
    """A process that trains on request."""

    def __init__(self, python, arguments, steps, backend=None):
        self.steps = steps
        super().__init__(python, SIDES, arguments, {"KERAS_BACKEND": backend} if backend else {})
        self.turn()  # compiles

    def turn(self):
        """Seconds a step."""
        return self.ask(self.steps) / self.steps


def compare(tinybig, side, rounds):
    """How many times faster the side is than tinyBIG in the turns around it."""
    ratios, steps = [], []
    before = tinybig.turn()
    for _ in range(rounds):
        own, after = side.turn(), tinybig.turn()
        ratios.append((before + after) / 2 / own)
        steps.append(own)
        before = after
    return {
        "times_faster": statistics.median(ratios),
        "range": [min(ratios), max(ratios)],
        "milliseconds": 1000 * statistics.median(steps),
    }


def sides(backends):
    """(name, arguments, backend) of keras_efficient's sides."""
    for backend in backends:
        for layout in ("tinybig", "kronecker"):
            for jit in [""] if backend == "torch" else ["jit"] if backend == "jax" else ["", "jit"]:
                yield "_".join(filter(None, (backend, layout, jit))), [layout, *filter(None, [jit])], backend


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tinybig", required=True, help="the Python of the environment that has tinyBIG")
    parser.add_argument("--backends", default="tensorflow,jax,torch", help="comma-separated")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    figures = {}
    tinybig = Side(arguments.tinybig, ["tinybig_package"], STEPS["tinybig_package"])
    for name, words, backend in sides(arguments.backends.split(",")):
        side = Side(sys.executable, words, STEPS[backend], backend)
        figures[name] = compare(tinybig, side, rounds)
        figures[name]["added_megabytes"] = side.close()
        print(name, figures[name], flush=True)
    package = {"milliseconds": 1000 * statistics.median(tinybig.turn() for _ in range(rounds))}
    package["added_megabytes"] = tinybig.close()
    figures["tinybig_package"] = package
    print(package)
    print(write_results("benchmark_tinybig", figures, quick=arguments.quick).name)


if __name__ == "__main__":
    main()
