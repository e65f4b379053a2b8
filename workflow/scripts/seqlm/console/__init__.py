"""The command `seqlm`: one word for each thing that it does; nothing is imported for a word that was not asked for."""
