"""One operation a verb: what each command does, with the real things in its hands.

    bootstrap          settings, manifests, state, lock, signals and API client, put together for every verb
    plan               plan, drift, status
    apply              apply
    import_            import: manifests that say what is live
    validate_online    validate --online: every reference of the manifests, looked up in the merchants' books
    period_report      report: from the state alone
    refresh            refresh: Codat is asked to read the books again
    one_merchant       the company of one declared merchant, for those that are about one, push among them:
    link, sync         link, sync
    state_rebind       state rebind
    state_export_check state import: whether an exported state is whole, before it is imported

Never here: what should change (planning), how it is written (reconcile), how it is shown (reporting, cli).
"""
