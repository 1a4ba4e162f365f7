"""Log lines: reading and following them, and what each says."""
