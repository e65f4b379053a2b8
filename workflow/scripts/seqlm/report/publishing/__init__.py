"""A trained model as a repository of a model hub: its files, and a card by which others can judge and use it."""
