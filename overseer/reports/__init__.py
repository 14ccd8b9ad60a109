"""Pages and tables of what a run did: `run_report` for readers and machines, `gates` for builds, `safe` for text."""
