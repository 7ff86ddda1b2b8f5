"""Finished plans and reports as something to read, for people and for programs.

Here: pure functions from the model's values to text, JSON, Markdown, HTML and CSV.
Never here: a request, a file, a decision about a merchant. What is shown was decided elsewhere.
"""
