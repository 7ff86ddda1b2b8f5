"""From manifests to what every merchant should be.

    files ── yaml_reader ──▶ values with positions ── schema_problems ──▶ manifests ── merge, compile ──▶ merchants

    discovery               which files a root holds
    yaml_reader · yaml_writer · yaml_editor     YAML with line and column; manifests as text; single values changed
    document_rewriter       one merchant's document replaced in its file
    schema · schema_problems   the shape of a manifest; what is wrong with one, in words
    manifest · merge        one manifest by field path; several on each other
    compile · loader        one merchant; the fleet, or every diagnostic at once
    cache                   manifests that need not be parsed again
    merchant_clustering     which imported merchants share a profile
    generate                imported merchants as manifests with shared profiles
    selector                label selectors

Never here: the network, the state, the clock. What is wrong with a manifest is a Diagnostic, never an exception.
"""
