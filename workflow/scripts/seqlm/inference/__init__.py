"""What a trained model says of sequences: predictions, embeddings, their maps, ensembles and pipelines.

Nothing is trained here.
"""
