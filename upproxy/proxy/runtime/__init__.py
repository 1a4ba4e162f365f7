"""The Runtime API side: its client, the loop over invocations, and what happens to each of them."""
