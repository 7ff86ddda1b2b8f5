"""The nouns of the subject, as frozen values.

Here: what a merchant should be, what was seen of it, what we remember, what is planned, found and done.
Never here: a clock, a file, a request, a log line. Everything above may import this; it imports nothing of ours.

    Wanted    what the manifests say        (desired makes it)
    Observed  what the API says             (codat and reconcile make it)
    Memory    what we set last              (state keeps it)
    Plan      what has to change, and why   (planning makes it from those three)
    Report    what became of it             (reconcile makes it; reporting shows it)
"""
