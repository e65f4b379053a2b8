"""Which examples stay together, which part each of them is in, and what leaks from one part to another."""
