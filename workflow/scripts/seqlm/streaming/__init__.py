"""Files in, files out: predictions and scores of any number of sequences, in memory that does not grow with them.

(mRNAs of an annotation and tokens of a table are the exception: their text is held whole.)
"""
