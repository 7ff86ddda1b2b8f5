"""A faithful local copy of the Codat Sync for Commerce API, for demos, tests and other people's clients.

Here: the remote side's state and rules (`service`), its HTTP (`http`), the pages that a merchant sees (`pages`), pushes
of accounts into the books (`account_push`), commerce syncs (`syncs`), webhooks (`webhooks`), and the controls with
which tests play merchant, platform and network (`controls`). Everything is written from the reference of the API.

Never here: anything of the controller. This package imports nothing of ours, and nothing of ours but
the commands `emulator` and `demo` imports it.
"""
