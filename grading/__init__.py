"""The instructor's side of the course: collect, grade, and explain hand-ins. Run it as ``python -m grading``.

Grades count, so no line of a submission runs where grades are made. CONTRIBUTING.md says which file does what.
"""
