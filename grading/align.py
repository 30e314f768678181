"""Match the cells of a hand-in with those of its assignment, whatever was done to them.

Locked cells always come from the source, once each. Students' cells are all run, in the order of the hand-in. A
locked cell runs where it stands in the hand-in, but not before what it reads is defined (a test above its answer is
moved below it), and a deleted one comes back where the source has it.

A cell is recognized by nbgrader's grade_id, else by its id, else by its text; an answer also by the names that it
defines, or by its place between recognized cells. What remains doubtful is said, and set to be looked at.
A student's text is only searched here, never parsed or run.
"""

import json
import re
from dataclasses import dataclass, field, replace

from grading import formats
from grading.limits import MB, Limits
from grading.names import Names, looks_defined, names_of, words

STUB = ["# YOUR CODE HERE", 'raise NotImplementedError("replace this line with your code")']
UNANSWERED = {"", "YOUR ANSWER HERE"}


class Unreadable(Exception):
    """The submission is nothing that could be graded; the message says why."""


@dataclass
class SourceCell:
    """A cell of the assignment. `role`: text, setup, test, solution, manual, or free (a student may change it)."""

    key: str
    kind: str
    text: str
    role: str
    index: int
    points: float = 0.0
    metadata: dict = field(default_factory=dict)
    names: Names = field(default_factory=Names)

    @property
    def visible(self) -> str:
        """The text without hidden tests."""
        return _without(self.text, "HIDDEN TESTS")

    @property
    def released(self) -> str:
        """The text that students were given."""
        text = _without(_without(self.text, "HIDDEN TESTS"), "MARK SCHEME")
        if self.role not in ("solution", "manual"):
            return text
        if "BEGIN SOLUTION" not in text:
            return "\n".join(STUB) if self.kind == "code" else "YOUR ANSWER HERE"
        return _without(text, "SOLUTION", STUB)


@dataclass
class Given:
    """A cell of the hand-in."""

    index: int
    kind: str
    text: str
    grade_id: str
    id: str
    outputs: list = field(default_factory=list)


@dataclass
class Cell:
    """A cell of the plan, to run and to show.

    `run` is what the student's kernel runs, `locked` what the trusted worker runs, None if nothing; `names` are the
    student's names that `locked` needs.
    """

    role: str
    kind: str
    text: str
    key: str = ""
    run: str | None = None
    locked: str | None = None
    hidden: list[list[int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    points: float = 0.0
    metadata: dict = field(default_factory=dict)
    untouched: bool = False
    defines: tuple[str, ...] = ()
    outputs: list = field(default_factory=list)


@dataclass
class Plan:
    """What to run and show, what to tell the instructor, and whether a person should look at it."""

    cells: list[Cell]
    notes: list[str]
    doubts: list[str]
    modules: list[str]
    prelude: str


def plan(source: str, submission: bytes, limits: Limits = Limits()) -> Plan:  # noqa: B008
    """Match a hand-in with its source; raise `Unreadable` if it can't be one of this assignment's."""
    cells = read_source(source)
    return _Alignment(cells, read_submission(submission, limits)).plan()


def read_source(source: str) -> list[SourceCell]:
    """Return the cells of a solution notebook."""
    cells = []
    for index, cell in enumerate(json.loads(source)["cells"]):
        text, metadata = formats.source(cell), cell.get("metadata", {}).get("nbgrader", {})
        key = str(metadata.get("grade_id") or cell.get("id") or f"cell-{index}")
        role = _role(cell["cell_type"], metadata)
        points = float(metadata.get("points") or 0) if metadata.get("grade") or metadata.get("task") else 0.0
        cells.append(SourceCell(key, cell["cell_type"], text, role, index, points, metadata))
        if cell["cell_type"] == "code":
            cells[-1].names = names_of(text)
    return cells


def _role(kind, metadata):
    if metadata.get("task") or (metadata.get("grade") and metadata.get("solution")):
        return "manual"
    if metadata.get("solution"):
        return "solution" if kind == "code" else "free"
    if kind != "code":
        return "text"
    if metadata.get("grade"):
        return "test"
    return "setup" if metadata.get("locked") else "free"


def _without(text, region, stub=None):
    """Drop the regions, delimiters included; put the stub in their place."""
    kept, inside = [], False
    for line in text.split("\n"):
        if f"BEGIN {region}" in line:
            inside = True
            indent = re.match(r"\s*", line)[0]
            kept += [indent + part for part in stub or []]
        elif f"END {region}" in line:
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def _hidden(text):
    """The first and last line number of each hidden region."""
    regions = []
    for number, line in enumerate(text.split("\n"), 1):
        if "BEGIN HIDDEN TESTS" in line:
            regions.append([number, 10**9])
        elif "END HIDDEN TESTS" in line and regions:
            regions[-1][1] = number
    return regions


def read_submission(submission: bytes, limits: Limits) -> list[Given]:
    """Return the cells of a hand-in of any notebook format; raise `Unreadable` if there are none."""
    if len(submission) > limits.submission:
        raise Unreadable(f"The file is larger than {limits.submission // MB} MB.")
    try:
        cells = formats.read_cells(submission)
    except formats.NotANotebook as error:
        raise Unreadable(f"The file is {error}.") from None
    if len(cells) > limits.cells:
        raise Unreadable(f"The notebook has {len(cells)} cells; more than {limits.cells} are not graded.")
    given = [_given(index, cell) for index, cell in enumerate(cells)]
    if any(len(cell.text) > limits.cell_text for cell in given):
        raise Unreadable(f"A cell has more than {limits.cell_text} characters; such notebooks are not graded.")
    if not any(cell.text.strip() for cell in given):
        raise Unreadable("The notebook is empty.")
    return given


def _given(index, cell):
    kind = cell.get("cell_type")
    kind = {"heading": "markdown", "html": "markdown"}.get(kind, kind) if isinstance(kind, str) else "raw"
    text = formats.source(cell).replace("\r\n", "\n").replace("\x00", "")
    text = text.encode("utf-8", "replace").decode()  # lone surrogates are no text
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    names = [value if isinstance(value, str) else "" for value in (grade_id, cell.get("id"))]
    return Given(index, kind if kind in ("code", "markdown") else "raw", text, *names)


def _same(first, second):
    return _normal(first) == _normal(second)


def _normal(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


class _Alignment:
    def __init__(self, cells, given):
        self.cells, self.given = cells, given
        self.notes, self.doubts = [], []
        self.by_key = {cell.key: cell for cell in cells}
        self.found = {cell.key: [] for cell in cells}  # source key -> cells of the hand-in
        self.of = {}  # index of a given cell -> source key
        self.skipped = set()  # untouched copies whose answer stands elsewhere

    def plan(self):
        self.match_names_given()
        self.match_texts()
        self.match_answers()
        if not any(self.found[cell.key] for cell in self.cells if cell.kind == "code"):
            raise Unreadable("The notebook is no hand-in of this assignment: none of its code cells belongs to it.")
        self.match_places()
        self.check()
        return Plan(self.ordered(), self.notes, self.doubts, self.modules(), self.prelude())

    def take(self, given, key):
        self.of[given.index] = key
        self.found[key].append(given)

    def rest(self, kind=None):
        return [given for given in self.given if given.index not in self.of and (kind is None or given.kind == kind)]

    # Matching

    def match_names_given(self):
        """By grade_id, then by id."""
        for which in ("grade_id", "id"):
            for given in self.rest():
                cell = self.by_key.get(getattr(given, which))
                if cell and (cell.kind == given.kind or cell.role in ("solution", "manual")):
                    self.take(given, cell.key)

    def match_texts(self):
        """By equal text, where ids were lost."""
        for cell in self.cells:
            if self.found[cell.key]:
                continue
            for given in self.rest(cell.kind):
                if given.text.strip() and _same(given.text, cell.released):
                    self.take(given, cell.key)
                    break
        for cell in self.cells:  # edited tests keep their first line; those of the assignments say what they test
            if cell.role in ("test", "setup") and not self.found[cell.key] and _normal(cell.visible):
                first = _normal(cell.visible)[0]
                alike = [c for c in self.cells if _normal(c.visible)[:1] == [first]]
                for given in self.rest("code"):
                    if len(alike) == 1 and first.startswith("#") and _normal(given.text)[:1] == [first]:
                        self.take(given, cell.key)
                        break

    def match_answers(self):
        """An answer that is missing, or was left as it was handed out, may stand in a cell that defines its names."""
        for cell in self.cells:
            if cell.role != "solution":
                continue
            blank = [given for given in self.found[cell.key] if self.blank(given, cell)]
            if len(blank) < len(self.found[cell.key]):
                if blank:
                    self.skipped |= {given.index for given in blank}
                continue
            wanted = cell.names.defined - cell.names.imported
            elsewhere = [g for g in self.rest("code") if wanted and all(looks_defined(g.text, n) for n in wanted)]
            if not elsewhere:
                elsewhere = [g for g in self.rest("code") if any(looks_defined(g.text, n) for n in wanted)]
            if elsewhere:
                had = bool(self.found[cell.key])
                for given in elsewhere:
                    self.take(given, cell.key)
                self.skipped |= {given.index for given in blank}
                self.notes.append(
                    f"The answer to '{cell.key}' was found in {'another' if had else 'an unmarked'} cell, "
                    "by the names that it defines."
                )

    def original(self, given, cell):
        return _same(given.text, cell.visible) or _same(given.text, cell.text)

    def blank(self, given, cell):
        return _same(given.text, cell.released) or not given.text.strip()

    def match_places(self):
        """Answers that no name gives away: the only unknown cell between two known ones."""
        for cell in self.cells:
            if cell.role in ("solution", "manual") and not self.found[cell.key]:
                first, last = self.neighbours(cell)
                kinds = ("code",) if cell.kind == "code" else ("markdown", "raw")
                between = [g for g in self.rest() if first < g.index < last and g.kind in kinds and g.text.strip()]
                if cell.role == "manual" and between:
                    for given in between:
                        self.take(given, cell.key)
                elif len(between) == 1:
                    self.take(between[0], cell.key)

    def neighbours(self, cell):
        before = [g.index for c in self.cells[: cell.index] for g in self.found[c.key]]
        after = [g.index for c in self.cells[cell.index + 1 :] for g in self.found[c.key]]
        first = max(before, default=-1)
        return first, min((index for index in after if index > first), default=len(self.given) + 1)

    # Doubts

    def check(self):
        """Say what was repaired, and what a person should look at."""
        tests = [c for c in self.cells if c.role == "test"]
        if gone := [c.key for c in tests if not self.found[c.key]]:
            self.notes.append(f"Test cells that were missing came back from the source: {', '.join(gone)}.")
        if not any(g.grade_id in self.by_key for g in self.given):
            self.notes.append("The hand-in has lost nbgrader's metadata; its cells were recognized by id or text.")
        for cell in self.cells:
            self.check_cell(cell, self.found[cell.key])

    def check_cell(self, cell, found):
        if cell.role in ("solution", "manual"):
            if not found:
                self.doubts.append(f"No cell of the hand-in could be matched with the question '{cell.key}'.")
            answers = [given for given in found if given.index not in self.skipped and given.text.strip()]
            if cell.role == "solution" and len({tuple(_normal(given.text)) for given in answers}) > 1:
                for name in cell.names.defined - cell.names.imported:
                    if sum(looks_defined(given.text, name) for given in answers) > 1:
                        self.doubts.append(
                            f"'{cell.key}' is answered {len(answers)} times; the last answer was graded."
                        )
                        break
            if any(given.kind != cell.kind for given in found):
                self.doubts.append(f"The answer to '{cell.key}' stands in a cell of another type than {cell.kind}.")
        elif cell.role in ("test", "setup"):
            if len(found) > 1:
                self.notes.append(f"'{cell.key}' stands {len(found)} times in the hand-in; it was run once.")
            if any(not self.original(given, cell) for given in found):
                self.notes.append(f"'{cell.key}' was changed in the hand-in; the original was run.")

    # Order

    def ordered(self):
        """Return the cells of the plan in the order in which they run."""
        places = self.places()
        placed = []
        for given in self.given:
            cell = self.by_key.get(self.of.get(given.index))
            place = (given.index, 0, 0)
            if cell is None or cell.role in ("free", "solution", "manual"):
                placed.append((place, self.student_cell(given, cell)))
            elif cell.role in ("test", "setup"):
                if not self.original(given, cell) and given.text.strip():
                    extra = Cell("extra", "code", given.text, run=given.text)
                    placed.append(((*min(place, places[cell.key])[:2], -1), extra))
            else:
                placed.append(
                    (
                        place,
                        Cell(
                            "text",
                            "markdown",
                            cell.visible if given.kind == cell.kind else given.text,
                            metadata=dict(cell.metadata),
                        ),
                    )
                )
        owned = self.owned()
        for cell in self.cells:
            if cell.role in ("test", "setup"):
                placed.append((places[cell.key], self.locked_cell(cell, owned[cell.key])))
            elif cell.role == "manual" and not self.found[cell.key]:
                missing = Cell("manual", cell.kind, "", cell.key, points=cell.points, metadata=dict(cell.metadata))
                placed.append(((places.get(self.before(cell), (len(self.given), 0, 0))[0], 2, cell.index), missing))
        placed.sort(key=lambda pair: pair[0])
        cells = [cell for _, cell in placed]
        self.lend_tests(cells)
        return self.unique(cells)

    def before(self, cell):
        keys = [c.key for c in self.cells[: cell.index] if c.role in ("test", "setup")]
        return keys[-1] if keys else None

    def unique(self, cells):
        """Only one cell may carry a grade_id: the last with an answer."""
        seen, result = set(), []
        for cell in reversed(cells):
            if cell.key and cell.role in ("solution", "manual"):
                if cell.key in seen or (cell.run is None and cell.kind == "code" and self.answered(cells, cell)):
                    cell = replace(cell, key="", metadata={}, role="extra", points=0.0)
                seen.add(cell.key)
            result.append(cell)
        return result[::-1]

    def answered(self, cells, cell):
        return any(other.key == cell.key and other.run is not None for other in cells)

    def student_cell(self, given, cell):
        runs = given.kind == "code" and given.index not in self.skipped
        if cell is not None and cell.role == "solution" and given.kind != "code":
            runs = any(looks_defined(given.text, name) for name in cell.names.defined)
        made = Cell("extra", given.kind, given.text, run=given.text if runs else None)
        if cell is None:
            return made
        defines = tuple(sorted(cell.names.defined - cell.names.imported)) if cell.role == "solution" else ()
        untouched = cell.role == "manual" and (_same(given.text, cell.released) or given.text.strip() in UNANSWERED)
        return replace(
            made,
            role=cell.role,
            key=cell.key,
            points=cell.points,
            metadata=dict(cell.metadata),
            untouched=untouched,
            defines=defines,
        )

    def locked_cell(self, cell, names):
        return Cell(
            cell.role, "code", cell.visible, cell.key,
            run=cell.visible if cell.role == "setup" else None,
            locked=cell.text, hidden=_hidden(cell.text), names=names, points=cell.points, metadata=dict(cell.metadata),
        )  # fmt: skip

    def places(self):
        """Return where each locked cell runs: (index in the hand-in, before 0 or after 1, order)."""
        places, previous = {}, (-1, 0, 0)
        for cell in self.cells:
            if cell.kind != "code":
                continue
            found = [(g.index, 0, 0) for g in self.found[cell.key] if g.index not in self.skipped]
            if cell.role not in ("test", "setup"):
                if found:
                    places[cell.key] = previous = max(found)
                continue
            lowest = self.lowest(cell, places)
            fits = [place for place in found if lowest is None or place > lowest]
            place = min(fits) if fits else (max(previous, lowest or previous)[0], 1, cell.index)
            if cell.role == "setup" and (highest := self.highest(cell)) is not None and place >= highest:
                place = (highest[0], -1, cell.index)
                if lowest is not None and place <= lowest:
                    place = (lowest[0], 1, cell.index)
            if cell.role == "test" and found and not fits:
                self.notes.append(f"'{cell.key}' stood above the answer that it tests; it was run below it.")
            places[cell.key] = previous = place
        return places

    def lowest(self, cell, places):
        """After the last of the cells before it in the source that define what it reads."""
        needed = [
            places[other.key]
            for other in self.cells[: cell.index]
            if other.key in places and (other.names.defined & cell.names.read or other.role == "setup")
        ]
        return max(needed, default=None)

    def highest(self, cell):
        """Before the first student's cell after it in the source that reads what it defines."""
        later = [
            (given.index, 0, 0)
            for other in self.cells[cell.index + 1 :]
            if other.role in ("solution", "free", "manual") and other.names.read & cell.names.defined
            for given in self.found[other.key]
        ]
        return min(later, default=None)

    def owned(self):
        """Return which of the student's names each locked cell needs."""
        students, trusted, bodies, result = set(), set(), {}, {}
        for cell in self.cells:
            own = cell.names.defined - cell.names.imported
            if cell.role in ("solution", "manual"):
                students |= own
            elif cell.role == "free":
                students |= own - trusted
            elif cell.role in ("test", "setup"):
                result[cell.key] = sorted(_reached(cell.names.read, bodies) & students)
                students -= cell.names.defined
                trusted |= cell.names.defined
                bodies |= cell.names.functions
        return result

    def lend_tests(self, cells):
        """Run a test's visible lines in the student's kernel too, if a later cell reads what only they define."""
        defined = set().union(*(cell.names.defined for cell in self.cells if cell.role != "test"))
        for position, cell in enumerate(cells):
            if cell.role == "test":
                lent = self.by_key[cell.key].names.defined - defined
                later = [
                    c.text
                    for c in cells[position + 1 :]
                    if c.run is not None and c.role in ("extra", "solution", "free")
                ]
                if any(self.borrows(text, lent) for text in later):
                    cell.run = cell.text

    def borrows(self, text, lent):
        if len(text) > 20_000:
            return False
        binds = [
            rf"\bfor\b[^\n]*\b{name}\b[^\n]*\bin\b|\bas {name}\b|\b{name}\b[^\n=]*=(?!=)|def[^\n]*\b{name}\b"
            for name in lent
        ]
        return any(name in words(text) and not re.search(bind, text) for name, bind in zip(lent, binds, strict=True))

    # The trusted side

    def modules(self):
        return sorted(
            {module for cell in self.cells if cell.role in ("test", "setup") for module in cell.names.modules}
        )

    def prelude(self):
        """The imports of the instructor's other cells: tests may use what they import."""
        return "\n".join(
            line for c in self.cells if c.role in ("solution", "free", "manual") for line in c.names.imports
        )


def _reached(read, bodies):
    """Names read directly, or by the functions of earlier locked cells that are read."""
    reached, waiting = set(), list(read)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += bodies.get(name, ())
    return reached
