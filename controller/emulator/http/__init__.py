"""The API over HTTP: routing, the key, limits, faults, paging and queries, and one `api_*` module for each subject.

Never here: a rule of the service; handlers call `service`.
"""
