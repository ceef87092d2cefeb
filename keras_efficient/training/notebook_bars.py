"""Progress bars in a notebook, which needs nothing but the IPython that it runs on."""

import sys
import time
from typing import Any

from keras_efficient.markup import tag

PAUSE_SECONDS = 0.3  # between two drawings: each is a message to the browser


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class NotebookBars:
    """One bar per task, drawn into the output of the cell; as much of rich's `Progress` as `BarProgress` uses."""

    def __init__(self) -> None:
        self.tasks: list[dict[str, Any]] = []
        self.handle: Any = None
        self.drawn = -PAUSE_SECONDS

    def start(self) -> None:
        """Nothing is drawn before the first task."""

    def stop(self) -> None:
        """Draw the last state."""
        self._draw()

    def add_task(self, description: str, total: int, state: str) -> int:
        task = {"description": description, "total": total, "completed": 0, "state": state, "began": time.monotonic()}
        self.tasks.append(task)
        self._draw()
        return len(self.tasks) - 1

    def update(self, task: int, completed: int, state: str) -> None:
        self.tasks[task] |= {"completed": completed, "state": state}
        if time.monotonic() - self.drawn >= PAUSE_SECONDS:
            self._draw()

    def _draw(self) -> None:
        if not self.tasks:
            return
        from IPython.display import display

        self.drawn = time.monotonic()
        rows, lines = [], []
        for task in self.tasks:
            bar = tag("progress", max=str(task["total"]), value=str(task["completed"]))
            cells = (task["description"], bar, task["state"], _time_left(task))
            rows.append(tag("tr", *(tag("td", cell, style="text-align: left") for cell in cells)))
            lines.append(f"{task['description']} {task['completed']}/{task['total']} {task['state']}")
        shown = {"text/html": tag("table", *rows), "text/plain": "\n".join(lines)}
        if self.handle is None:
            self.handle = display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)


def _time_left(task: dict[str, Any]) -> str:
    left = task["total"] - task["completed"]
    if not task["completed"] or not left:
        return ""
    seconds = round((time.monotonic() - task["began"]) / task["completed"] * left)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
