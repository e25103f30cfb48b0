"""The OpenSubsonic API under /rest, for players that people have already: one module per section.

Specification: https://opensubsonic.netlify.app/docs/ (Subsonic 1.16.1 and its open extensions).
"""
