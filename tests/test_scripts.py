"""Each script of scripts/ runs with --quick, and leaves figures: `make test-scripts`, part of .ci/run.

They take minutes and the data beside the repository, so that `make test` leaves them out.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_DATA = _ROOT.parent / "shared/data"
_CHECKPOINTS = _ROOT.parent / "shared/golden/checkpoints_2019"
# Script: (arguments besides --quick, file of results).
_SCRIPTS = {
    "acdc_approximation": ("", "acdc_approximation"),
    "acdc_cifar": ("--data-dir DATA", "acdc_cifar"),
    "acdc_mnist": ("--data-dir DATA", "acdc_mnist"),
    "attack": ("", "attacks"),
    "benchmark_acdc": ("", "benchmark_acdc_tensorflow"),
    "benchmark_driver": ("--data-dir DATA", "benchmark_driver"),
    "benchmark_kronecker": ("", "benchmark_kronecker"),
    "benchmark_layers": ("", "benchmark_layers_tensorflow"),
    "benchmark_random_bases": ("", "benchmark_random_bases_jax"),
    "benchmark_storage": ("", "benchmark_storage"),
    "build_layouts": ("", "build_layouts"),
    "check_crashes": ("", "crashes"),
    "choosing_a_layer": ("--data-dir DATA", "choosing_a_layer"),
    "compact_layers_in_c": ("--data-dir DATA --models OUT", "compact_layers_in_c"),
    "compare_calibration": ("--data-dir DATA --models OUT --parts mnist_cnn", "compare_calibration"),
    "compare_cmsis": ("", "compare_cmsis"),
    "compare_litert": ("--data-dir DATA --checkpoints CHECKPOINTS", "compare_litert"),
    "compare_qat": ("--data-dir DATA --models OUT --sides float,ours,qkeras", "compare_qat"),
    "fuzz_firmware": ("", "fuzz_firmware"),
    "layer_support": ("", "layer_support"),
    "lphm_parameters": (None, "lphm_parameters"),
    "measure_acdc_litert": ("", "acdc_litert"),
    "measure_augmentation": ("", "augmentation"),
    "measure_demo": ("", "demo"),
    "measure_estimates": ("", "estimates"),
    "measure_firmware": ("--data-dir DATA --checkpoints CHECKPOINTS", "firmware"),
    "measure_mnist": ("--data-dir DATA", "mnist_short"),
    "measure_options": ("--data-dir DATA --out OUT", "mnist_options"),
    "measure_pruned_firmware": ("", "pruned_firmware"),
    "measure_search": ("--data-dir DATA", "search"),
    "measure_tour": ("", "tour"),
    "mlperf_tiny": ("--data-dir DATA --models OUT --tasks speech_number", "mlperf_tiny"),
    "mnist_2kb": ("--data-dir DATA --out OUT", "mnist_2kb"),
    "mnist_protocol": ("--data-dir DATA --out OUT", "mnist_protocol"),
    "mnist_lphm": ("--data-dir DATA --networks tinybig", "mnist_lphm"),
    "own_models": ("--data-dir DATA --models OUT --parts batch_norm_cnn", "own_models"),
    "pruning_recipes": ("penguins --data-dir DATA", "pruning_penguins"),
    "random_bases_bytes": ("--data-dir DATA --out OUT", "random_bases_small"),
    "random_bases_table": ("--data-dir DATA --out OUT --rows fc-mnist", "random_bases_table"),
    "random_bases_workers": ("--data-dir DATA", "random_bases_workers"),
}
_JAX = {"acdc_approximation", "benchmark_random_bases", "pruning_recipes"}
_COMPILING = {"benchmark_driver", "fuzz_firmware"}  # the others say what is missing, and go on
# What measures nothing, and what needs a package in an environment of its own.
_OTHERS = {
    "own_model",
    "random_networks",
    "random_graphs",
    "random_structured",
    "select_trials",
    "benchmark_tinybig",
    "ship_model",
    "show_records",
}
_PAGES = {"readme_tables", "docs_tables", "reproduction_page", "benchmarks", "draw_figures", "storage_pictures"}


def test_every_script_is_here():
    scripts = {path.stem for path in (_ROOT / "scripts").glob("[a-z]*.py")}
    assert scripts == _SCRIPTS.keys() | _OTHERS | _PAGES


def test_the_page_of_figures_shows_what_is_drawn(tmp_path, monkeypatch):
    import draw_figures

    monkeypatch.setattr(draw_figures, "PICTURES", tmp_path)
    for picture in draw_figures.DRAWN:
        draw_figures.draw(picture)
    drawn = {path.name for path in tmp_path.iterdir()}
    page = (_ROOT / "docs/figures.md").read_text(encoding="utf-8")
    assert drawn == set(re.findall(r"\(pictures/figures/(.*?)\)", page))
    assert all((_ROOT / "docs/pictures/figures" / name).exists() for name in drawn)


@pytest.mark.scripts
@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_quick_run_leaves_figures(name, tmp_path):
    arguments, results = _SCRIPTS[name]
    quick = arguments is not None
    places = {"DATA": _DATA, "CHECKPOINTS": _CHECKPOINTS, "OUT": tmp_path / "out"}
    words = [str(places.get(word, word)) for word in (arguments or "").split()]
    for place in (_DATA, _CHECKPOINTS):
        if str(place) in words and not place.exists():
            pytest.skip(f"{place.name} is not beside the repository")
    if name in _COMPILING and not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("there is no C compiler")
    backend = "jax" if name in _JAX else "tensorflow"
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, f"scripts/{name}.py", *words, *["--quick"] * quick]
    # Speed counts for nothing here: XLA compiles in half the time without LLVM's optimizations.
    xla = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    environment = {**os.environ, **xla, "KERAS_BACKEND": backend, "KERAS_EFFICIENT_RESULTS": str(tmp_path)}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / f"{results}{'_quick' * quick}.json").read_text(encoding="utf-8"))
    assert record["figures"] and record["command"].split("scripts/")[-1].startswith(f"{name}.py")
