"""Heat maps of what edits do, coloured from falls (blue) over nothing (white) to rises (red) of the prediction."""
