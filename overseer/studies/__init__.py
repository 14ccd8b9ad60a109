"""Studies: what joins oversight and training.

`live` rewards rollouts from a hierarchy at work; `evaluation` and `curves` say what training came to; `recipes` reads
what is to be trained and runs it, unit by unit.
"""
