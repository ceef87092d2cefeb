"""What a user does first with an installed wheel: `make wheel` runs this outside the repository."""

import json
import subprocess
import sys
import tempfile
from importlib.metadata import metadata
from pathlib import Path

import keras_efficient as ke

_PROGRAMS = Path(sys.executable).parent
_NETWORK = [["C", 4, 3, 4, 8, 4], ["M", 2, 4], ["S", 10, 4, 8, 8]]


def check(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"the wheel: {what}")


def output(*arguments: str) -> str:
    return subprocess.run(
        [_PROGRAMS / "keras-efficient", *arguments], check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    package = Path(ke.__file__).parent
    check(package.parent.name == "site-packages", f"imported from {package}")
    check("](docs/" not in metadata("keras_efficient").get_payload(), "its page has relative links")
    check(output("--version").strip() == ke.__version__, "keras-efficient --version")
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / "network.json"
        network.write_text(json.dumps(_NETWORK))
        report = json.loads(output("storage", "--network", str(network), "--input-shape", "8,8,1", "--json"))
        model = ke.build_network(_NETWORK, (8, 8, 1), mode="learn_scales")
        check(report["total_bytes"] == ke.estimate_storage(model).total_bytes, "storage from the shell and from Python")
        ke.export_c(model, Path(folder) / "firmware")
        check((Path(folder) / "firmware/network.c").exists(), "its templates of C are missing")
    print(f"keras_efficient {ke.__version__} works from its wheel")  # noqa: T201


if __name__ == "__main__":
    main()
