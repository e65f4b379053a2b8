"""Files in, files out: predictions and scores of any number of sequences, in memory that does not grow with them.

(mRNAs of an annotation and tokens of a table are the exception: their text is held whole.)

records     FASTA, tables, parquet, BED with genome and VCF with genome as one stream of records
reading     what may be said about how a file is read
transcripts mRNAs of an annotated genome, GenBank or a table, and atomic tokens, as records
predicting  one or several models on a chunk of records, as a table
writing     chunks that an interrupted run continues from; parquet, CSV and gathered shards
tracks      bigWig, bedGraph and BED
variants    what a variant does to a prediction or to a language model's likelihood
likelihood  how likely a language model, causal or masked, finds a sequence
command     the command lines
"""
