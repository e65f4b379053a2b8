"""Models that are solved for rather than trained step by step: linear baselines, and probes of frozen backbones."""
