"""Grading of notebooks that students hand in.

The *worker* runs a submission in a sandbox. The *reference* runs the
course's own chapter, and in it the checks: it asks the worker for answers,
and calls the functions among them, by messages that hold plain data. So a
verdict is made where no line of the submission is ever executed.
"""
