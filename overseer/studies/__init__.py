"""Studies: what joins oversight and training. `recipes` reads what is to be trained and runs it, unit by unit."""
