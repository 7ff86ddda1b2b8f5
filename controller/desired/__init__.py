"""From manifests to what every merchant should be.

    files ── source ──▶ located values ── schema ──▶ checked ── compile ──▶ Wanted ── fleet ──▶ Fleet

Here: YAML that remembers its addresses, the shape of a manifest, profiles and overrides, label selectors.
Never here: the network, the state, the clock. What is wrong with a manifest is a Complaint, never an exception.
"""
