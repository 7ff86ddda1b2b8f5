"""The nouns of the subject, as frozen values.

Here: what a merchant should be, what was observed of it, what is recorded, what is planned, found and done.
Never here: a clock, a file, a request, a log line. Every package may import this one; it imports none of ours.

    DesiredMerchant  what the manifests say        (desired makes it)
    Observed         what Codat answered           (codat and reconcile make it)
    RecordedState    what we set last              (state keeps it)
    Plan             what has to change, and why   (planning makes it from those three)
    FleetReport      what became of it             (reconcile makes it; reporting shows it)
"""
