"""A run's only truth. Read `encoding` (JSON), `run_folder`, `chain` (proof), `reader`, `store`, `inbox`, `replay`."""
