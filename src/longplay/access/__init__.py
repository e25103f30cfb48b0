"""LISTENING TO IT: what an archive serves over HTTP, each answer by leave of the gate."""
