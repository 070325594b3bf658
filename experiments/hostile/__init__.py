"""A class of hostile, broken and unusual submissions, to try the grader.

    python -m experiments.hostile            # all, and write the record
    python -m experiments.hostile NAME ...   # some of them

The chapter is a small one, with three exercises. Each submission says what
it may earn; the run fails where it earns something else, or leaves a trace.
"""
