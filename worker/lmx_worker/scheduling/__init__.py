"""Which request runs when: queueing, rows of the batch, fairness, step reports. Knows no engine library."""
