"""Models against models on the same folds: values with intervals, pairs, families and their representatives."""
