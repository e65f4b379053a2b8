"""How language models are made from text without labels, and how well they know it, in bits per base."""
