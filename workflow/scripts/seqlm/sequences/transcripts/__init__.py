"""mRNAs with their coding sequence and exon junctions: from annotated genomes, GenBank files and tables."""
