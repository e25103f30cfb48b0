"""Listening histories: plays become counts per recording, and nothing of who played what stays."""
