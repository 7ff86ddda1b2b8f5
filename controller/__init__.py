"""merchantctl: says what each merchant should be, and makes it so.

Here: everything of the program but its memory (that is `state`). Imports point downward:
cli > daemon > push | rollout > operations | web > reconcile > desired | planning | codat | reporting > model >
settings.
`emulator` is an island: it serves a local copy of the remote API and borrows nothing from the rest.
"""
