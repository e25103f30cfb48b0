"""Asking strangers' web servers: whom, over which connection, and with what manners.

Whoever fetches something (a harvest, a source, a mirror) decides what it wants and how often it
tries; what must hold for every request stands here.
"""
