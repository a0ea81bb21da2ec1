"""What a page is made of: sections with tables, and the lines at its top."""

from dataclasses import dataclass, field


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


@dataclass
class Line:
    """One line of the table at the top: what was measured, beside what, how it came out, and what it has to be."""

    what: str
    against: str
    measured: float
    #: How the number is written.
    format: str
    limit: float
    #: Whether more is better.
    is_least: bool = False

    def cells(self):
        reached = self.measured >= self.limit if self.is_least else self.measured <= self.limit
        sign = "≥ " if self.is_least else "≤ "
        return [self.what, self.against, self.format.format(self.measured), sign + self.format.format(self.limit), "yes" if reached else "**no**"]


@dataclass
class Section:
    title: str
    #: Paragraphs and tables, in their order.
    parts: list
    lines: list = field(default_factory=list)

    def __str__(self):
        return "\n\n".join(["## " + self.title, *self.parts])


def summary(sections):
    lines = [line.cells() for section in sections for line in section.lines]
    return table(["what", "beside", "measured", "wanted", "reached"], lines)
