"""Releases: what there shall be on AWS, what is there, and the steps from one to the other."""
