"""What happened, in figures with n, unscored count and interval. Read `statistics` first, `measures`, `paired` last."""
