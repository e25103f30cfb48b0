"""Copies that say whose they were: harmless spellings and orders, drawn for each recipient."""
