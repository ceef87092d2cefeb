"""A process beside the script that answers lines: other packages, other versions of Keras, memory of its own."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class ServingProcess:
    """Runs a script that prints "ready", then a line of JSON for each line it reads, and one at their end."""

    def __init__(self, python: str, script: Path, arguments: Sequence[str], environment: Mapping[str, str]):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        command = [python, str(script), *arguments]
        environment = {"PYTHONPATH": import_path(script.parents[1]), **environment}
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
        for line in self.process.stdout:
            if line == "ready\n":
                break
        else:
            raise RuntimeError(f"The side {' '.join(arguments)} did not start. Its environment: {dict(environment)}")

    def ask(self, question: object) -> Any:
        """The answer to a line."""
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> Any:
        """End the process; what it says last."""
        self.process.stdin.close()
        return json.loads(self.process.stdout.read())


def import_path(folder: Path) -> str:
    """PYTHONPATH for a process whose script lies in a folder of `folder`, and imports as the scripts there do."""
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
