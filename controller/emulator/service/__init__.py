"""Codat's side as tables of frozen rows, and its rules: companies, connections, books, pulls, configurations.

Never here: HTTP. A rule refuses with `errors.ApiError`; what is made of that is the business of `http`.
"""
