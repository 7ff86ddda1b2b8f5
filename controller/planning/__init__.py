"""What has to change: pure functions from what is wanted, observed and remembered to a plan.

Here: resolving names, comparing three ways, the rules a document must keep, the order of changes, the limits.
Never here: a clock, a file, a request, a log line. The time comes in as a value.

    make_plan     one merchant's plan (plan.py; its steps in company, connection, configuration)
    judge         all plans against the limits, once, before the first write (safety.py)
"""
