"""For the API pages of the site: the sessions (`>>> ...`) in docstrings become blocks of code.

mkdocstrings knows only indented sessions under "Examples:"; Markdown would take the others for quotations.
"""

import re

import griffe

SESSION = re.compile(r"^( *)>>> .*(?:\n\1\S.*|\n\1 .*)*", flags=re.MULTILINE)


class FencedSessions(griffe.Extension):
    """A fence around every session of a docstring."""

    def on_instance(self, *, obj: griffe.Object, **kwargs) -> None:
        """Called by griffe for everything that it has read."""
        if obj.docstring:
            obj.docstring.value = SESSION.sub(fenced, obj.docstring.value)


def fenced(session: re.Match) -> str:
    """The session between fences, as far in as it is."""
    indent = session[1]
    return f"{indent}```pycon\n{session[0]}\n{indent}```"
