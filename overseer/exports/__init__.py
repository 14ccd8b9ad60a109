"""A run as data for others: `tables` its formats, `card` what a reader must know, `export` writes."""
