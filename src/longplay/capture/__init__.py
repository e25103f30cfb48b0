"""BRINGING IT IN: fetch, validate, describe, fingerprint, hash, store; or quarantine, and why."""
