"""REMEMBERING IT: the SQL record of what is held, why it may be shared, and what happened."""
