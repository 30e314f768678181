"""How nbgrader finds and treats the assignments: solutions/ is the source, exercises/ the student version.

Write exercises/ with `make assignments` rather than `nbgrader generate_assignment`: it runs nbgrader in a
folder of its own, so that no gradebook is left here, and marks the cells that raise until they are solved.
"""

c = get_config()  # noqa: F821  (nbgrader defines it when it reads this file)

c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"

c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("replace this line with your code")'
}

# A test cell that a student deleted by mistake comes back before grading, instead of costing its points.
c.OverwriteCells.add_missing_cells = True

# Seconds for one cell. Every test here takes less than one; an endless loop should not hold up a class.
c.Execute.timeout = 60
