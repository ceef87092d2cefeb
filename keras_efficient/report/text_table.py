"""Tables of plain text."""

from collections.abc import Collection, Sequence


def align(rows: Sequence[Sequence[str]], words: Collection[str]) -> list[str]:
    """Lines of equally wide columns, the headings first: those in `words` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    signs = ["<" if heading in words else ">" for heading in rows[0]]
    lines = (
        "  ".join(f"{cell:{sign}{width}}" for cell, sign, width in zip(row, signs, widths, strict=True)) for row in rows
    )
    return [line.rstrip() for line in lines]
