"""A faithful local copy of the Codat Sync for Commerce API, for demos, tests and other people's clients.

Here: the remote side's state and rules (`world`, `companies`, `connections`, `datasets`, `books`,
`configuration`), its HTTP (`api*`), the pages a merchant sees (`pages`), and the controls that tests
use to play merchant, platform and network (`control`, `faults`). Everything is written from REFERENCE.

Never here: anything of the controller. This package imports nothing of ours, and nothing of ours but
the commands `emulator` and `demo` imports it.
"""
