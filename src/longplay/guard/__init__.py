"""WATCHING OVER IT: from access logs of any service to verdicts about accounts that copy it."""
