"""Write the student version of every assignment: solutions/NAME/ becomes exercises/NAME/.

nbgrader itself removes the solutions and the hidden tests, in a folder of its own. Then the untouched student
version is run once. Cells that raise are tagged ``raises-exception``, so that "Run All" goes on past them, and
the outputs are stored, so that nbval knows what an unsolved notebook prints.

    python -m book.assignments [NAME …]           write exercises/
    python -m book.assignments --check [NAME …]   say which files differ from what would be written
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import compute_checksum, is_solution
from traitlets.config import Config, PyFileConfigLoader

from book.execute import CELL_TIMEOUT, KERNEL_ARGUMENTS, code_cells, error_output
from book.notebooks import serialize

ROOT = Path(__file__).resolve().parent.parent
SOLUTIONS = ROOT / "solutions"
EXERCISES = ROOT / "exercises"


def names() -> list[str]:
    """Return the assignments: the folders in solutions/ that hold a notebook."""
    return sorted({path.parent.name for path in SOLUTIONS.glob("*/*.ipynb")})


def open_course(root: Path) -> NbGraderAPI:
    """Return nbgrader's API for a course in the folder `root`, with the settings of nbgrader_config.py."""
    # nbgrader calls alembic, which sits beside the interpreter, also where the environment isn't activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.merge(Config({"CourseDirectory": {"root": str(root)}, "NbGraderAPI": {"log_level": "WARN"}}))
    return NbGraderAPI(config=config)


def release(name: str, course: Path) -> Path:
    """Generate one assignment in the folder `course` with nbgrader; return the folder of the student version."""
    visible_only = shutil.ignore_patterns(".*", "__pycache__")
    shutil.copytree(SOLUTIONS / name, course / "solutions" / name, ignore=visible_only)
    result = open_course(course).generate_assignment(name)
    if not result["success"]:
        raise RuntimeError(f"nbgrader could not generate {name}:\n{result['log']}{result.get('error', '')}")
    return course / "exercises" / name


def generate(name: str) -> dict[str, bytes]:
    """Return the files of one assignment's student version, by path within its folder."""
    with tempfile.TemporaryDirectory() as course:
        folder = release(name, Path(course))
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def _content(path: Path) -> bytes:
    if path.suffix != ".ipynb":
        return path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    run_untouched(notebook, path.parent)
    return serialize(notebook).encode()


def run_untouched(notebook: NotebookNode, folder: Path) -> None:
    """Run a student version as it is handed out; store its text outputs and tag the cells that raise."""
    client = NotebookClient(
        notebook,
        allow_errors=True,
        timeout=CELL_TIMEOUT,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=KERNEL_ARGUMENTS,
    )
    client.execute()
    for cell in code_cells(notebook):
        if error_output(cell):
            cell.metadata.tags = sorted({*cell.metadata.get("tags", []), "raises-exception"})
        for output in cell.outputs:
            if output.output_type == "error":  # its traceback names this machine's folders
                output.traceback = [f"{output.ename}: {output.evalue}"]


def differences(name: str, files: dict[str, bytes]) -> list[str]:
    """Return one line for each file in exercises/NAME/ that isn't what `files` says."""
    folder = EXERCISES / name
    lines = []
    for path, content in files.items():
        if not (folder / path).exists():
            lines.append(f"exercises/{name}/{path} is missing")
        elif (folder / path).read_bytes() != content:
            lines.append(f"exercises/{name}/{path} differs from what solutions/{name}/ generates")
    return lines + [f"exercises/{name}/{path} has no source" for path in _present(folder) if path not in files]


def orphans() -> list[str]:
    """Return one line for each folder in exercises/ that has no source in solutions/."""
    folders = [path.name for path in sorted(EXERCISES.glob("[!.]*")) if path.is_dir()]
    return [f"exercises/{name}/ has no source in solutions/" for name in folders if name not in names()]


def _present(folder: Path) -> list[str]:
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]


def answered(name: str) -> list[str]:
    """Return the ids of cells in exercises/NAME/ into which somebody has typed an answer."""
    cells = [c for path in (EXERCISES / name).glob("*.ipynb") for c in nbformat.read(path, as_version=4).cells]
    # nbgrader stores the checksum of the empty answer with the cell.
    return [
        cell.metadata.nbgrader.grade_id
        for cell in cells
        if is_solution(cell) and cell.metadata.nbgrader.get("checksum") != compute_checksum(cell)
    ]


def write(name: str, files: dict[str, bytes]) -> None:
    """Write the student version of one assignment to exercises/."""
    for path, content in files.items():
        destination = EXERCISES / name / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_bytes(content)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code, which is 1 where something is left to do."""
    parser = argparse.ArgumentParser(prog="python -m book.assignments", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="*", help="assignments to write (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs, and exit with 1")
    parser.add_argument("--force", action="store_true", help="also overwrite notebooks that hold answers")
    options = parser.parse_args(arguments)
    if unknown := set(options.name) - set(names()):
        parser.error(f"no such assignment in solutions/: {', '.join(sorted(unknown))}")

    chosen = options.name or names()
    problems = [] if options.name else orphans()
    for position, name in enumerate(chosen, 1):
        started = time.perf_counter()
        files = generate(name)
        found = differences(name, files)
        state = f"{len(found)} to update" if found else "up to date"
        if found and not options.check:
            if (cells := answered(name)) and not options.force:
                found = [f"exercises/{name}/ holds answers ({', '.join(cells)}): move it away, or use --force"]
                state = "not written"
            else:
                write(name, files)
                found = [line for line in found if line.endswith("has no source")]
                state = "written"
        problems += found
        print(f"[{position}/{len(chosen)}] {name}: {state} ({time.perf_counter() - started:.1f} s)", flush=True)
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
