"""Many tasks at once: `feed` hands them out, `way` is one's, `asking` waits, `persons` queues, `runner` drives."""
