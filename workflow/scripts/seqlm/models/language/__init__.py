"""Language models, pretrained here or published, and models that stand on one."""
