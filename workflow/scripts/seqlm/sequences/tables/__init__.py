"""Tables and other files of lines: how rows, cells and places are read, the same for every reader."""
