"""From somebody's files to a layer: one module a format, all streaming, all in bounded memory."""
