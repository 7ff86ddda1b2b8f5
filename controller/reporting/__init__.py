"""Finished plans and reports as something to read: for people, for programs, and as an exit code.

Here: pure functions from the model's values to text, JSON, Markdown, HTML, CSV, and the verdict of a run.
Never here: a request, a file, a decision about a merchant. What is shown was decided elsewhere.
"""
