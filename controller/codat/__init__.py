"""The remote API: everything we say to it, and nothing it says reaches further in untranslated.

    client · read_only   the sentences we know, typed; the second with the writing hand tied
    convert              wire ⇄ model: the one border of spelling
    wire · document      its JSON, as it is; a configuration document, whole and unharmed
    transport            authorization, time-outs, what may be asked again and what must not
    refusal              an answer or its absence → a typed error
    pace                 how fast we may ask

Never here: a decision about a merchant, a file, the state. Foreign exceptions stop at this door.
Written from the API reference alone (REFERENCE); it shares nothing with the emulator.
"""
