"""Access logs of any service, read in blocks into one shape: `events.EVENT`."""
