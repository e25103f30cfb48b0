"""Recognising it: the fingerprint index, matching, and audits of whole corpora."""
