"""The instructor's side of the course: collect, grade, and explain hand-ins. Run it as ``python -m grading``.

Grades count, so no line of a submission runs where grades are made:

    split.py        one submission in, one dict of scores out; the only function that others need
    align.py        which cell of a hand-in is which cell of the assignment
    sandbox.py      bubblewrap, limits, and the watcher that ends what exceeds them
    calls.py        the system calls that are forbidden in it
    student.py      what runs in the sandbox: an IPython kernel that also answers calls
    trusted.py      what runs the tests, in a process that never sees a line of the student's code
    wire.py         the only thing between the two: frames of plain data, checked before they are read
    present.py      the notebook that is shown afterwards
    selftest.py     proves on this machine that the sandbox holds
"""
