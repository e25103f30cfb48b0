"""What may be shared: statements, what they permit, how they are inherited, and the gate."""
