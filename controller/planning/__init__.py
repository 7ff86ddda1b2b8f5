"""What has to change: pure functions from what is desired, observed and recorded to a plan.

Here: resolving names, comparing three ways, the rules that a document must keep, the order of changes, the limits.
Never here: a clock, a file, a request, a log line. The time comes in as a value.

    plan          `make_plan`: one merchant's plan, step by step
    context       what the steps are given, and what each returns
    company · connection · reference_data · configuration   the steps
    resolve · suggestions    a reference → one of the merchant's options, or what may have been meant
    reference_findings   selections that are gone, archived, moved or unclear
    diff · configuration_rules · tzdata_changes   who changed a field; what Codat accepts; which tzdata release an hour
                  came from
    remedies      commands and values that a person can paste
    last_sync · flapping        findings from earlier runs
    limits · unattended_limits · holds · clock_skew   all plans of a run: what is refused or held
    impact        who depends on something, and what would happen
    offered_options   what the books offer for each field, and what of it is used
    ignore        findings that `policy.ignore` hides for a while
    merchant_renames   `metadata.renamedFrom`, and who claims a removed merchant's company
    connection_replacement   a merchant's move to another platform
    during_manual_sync   a merchant while somebody synchronises it by hand
    codify        which live values may become declared ones, and in whose manifest
    from_live     the way back: live → what a manifest would have to say
"""
