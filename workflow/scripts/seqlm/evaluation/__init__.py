"""How good predictions are, how sure, and which model is better: numbers in, numbers and sentences out.

Neither networks nor files of sequences enter here.
"""
