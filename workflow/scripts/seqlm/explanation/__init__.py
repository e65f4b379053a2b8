"""What scores of bases say: motifs with names and places, and whether the scores can be believed."""
