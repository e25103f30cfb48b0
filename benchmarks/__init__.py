"""Measurements of the main jobs on real input; each script says what, how much, and beside what."""
