"""The only truth of a run. Read `encoding` (its JSON), `run_folder`, `chain` (its proof), `store`, then `replay`."""
