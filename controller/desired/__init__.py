"""From manifests to what every merchant should be.

    files ── yaml_reader ──▶ values with positions ── validation ──▶ manifests ── merge, compile ──▶ merchants

    discovery               which files a root holds
    yaml_reader · yaml_writer · yaml_rewriter   YAML with line and column; manifests as text; one replaced in its file
    schema · validation     the shape of a manifest; what is wrong with one, in words
    manifest · merge        one manifest by field path; several on each other
    compile · loader        one merchant; the fleet, or every diagnostic at once
    cache                   manifests that need not be parsed again
    generate                imported merchants as manifests with shared profiles
    selector                label selectors

Never here: the network, the state, the clock. What is wrong with a manifest is a Diagnostic, never an exception.
"""
