"""Search: an inverted index for each layer, whose documents stand in order of popularity."""
